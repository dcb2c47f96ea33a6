"""The layer set of a deep virtual network: all k x n_h virtual networks on shared kernels."""

import dataclasses
from collections.abc import Sequence

from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.layer_sets import Features, TensorLayers
from dvn_tf.networks.mean_gradients import SUM
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.networks.padding import SYMMETRIC
from dvn_tf.units import UnitPartition, Units


class VirtualLayers(TensorLayers):
    """Layers of all virtual networks together.

    Args:
        partition: the channel fractions of the units.
        units: for each stream its units; a virtual network is one stream.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        frozen_units: see `UnitConv2D`.
        padding: see `dvn_tf.networks.padding`.
        merge_streams: see `UnitConv2D`.
        gradients: see `UnitConv2D`.
        owners: see `TensorLayers`.

    Attributes:
        stored_units: the units that any virtual network uses, which the kernels store.
        norms: {normalization: the features it reads}, as (widths, partitioned).
    """

    def __init__(
        self,
        partition: UnitPartition,
        units: list[Units],
        weight_decay: float,
        policy,
        frozen_units: Units = (),
        padding: str = SYMMETRIC,
        merge_streams: bool = False,
        gradients: str = SUM,
        owners: Sequence[int] | None = None,
    ):
        super().__init__(partition, units, weight_decay, policy, padding, owners)
        self.frozen_units = frozen_units
        self.merge_streams = merge_streams
        self.gradients = gradients
        self.stored_units = tuple(sorted({unit for used in units for unit in used}))
        self.norms: dict[str, tuple[tuple[int, ...], bool]] = {}

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """One shared kernel, of which each virtual network uses the block of its units."""
        layer = UnitConv2D(
            width,
            kernel_size,
            stride,
            fractions=self.partition.fractions,
            in_channels=x.widths if len(x.widths) > 1 else x.width,
            weight_decay=self.weight_decay,
            stored_units=self.stored_units,
            frozen_units=self.frozen_units,
            partitioned_input=x.partitioned,
            padding=self.padding,
            merge_streams=self.merge_streams,
            gradients=self.gradients,
            dtype=self.policy,
            name=name,
        )
        tensors, in_units = self._read(x)
        tensors = layer(tensors, in_units=in_units, out_units=self.units)
        return Features(tensors, (width,), partitioned=True)

    def norm(self, x: Features, *, name) -> Features:
        """Batch normalization, one for each virtual network."""
        self.norms[name] = (x.widths, x.partitioned)
        widths = [tensor.shape[-1] for tensor in x.tensors]  # channels of each stream
        layer = SwitchableBatchNormalization(widths, dtype=self.policy, name=name)
        return dataclasses.replace(x, tensors=layer(x.tensors))
