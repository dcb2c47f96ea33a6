"""The contract between a backbone and what it is built of.

A backbone is a function of the layers it is handed: `backbone(x, layers)` calls the operations
of `LayerSet` and never asks what x is. Each layer set is one answer to what an operation does:

| layer set | what a backbone becomes | x |
| --- | --- | --- |
| `VirtualLayers` | all k x n_h virtual networks on shared kernels | `Features` |
| `CausalLayers` | the same, in which lower levels are parts of higher ones | `Features` |
| `SharedLayers` | some of them once more, on the layers of a network | `Features` |
| `PlainLayers` | one network of stock Keras layers | `Features` |
| `CountingLayers` (accounting) | numbers of parameters and multiply-adds | shapes |
| `FoldedLayers` (export) | one network, normalization folded into convolutions | `Features` |
| `FoldFinder` (export) | which normalizations can be folded | who computed x |
| `BundledLayers` (export) | one network on the kernels of a bundle | `Features` |

A new operation is declared here and implemented in the sets. A set that lacks it says so when a
backbone asks for it.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Generic, TypeVar

import keras

from dvn_tf.entry_groups import Groups, read_order
from dvn_tf.errors import UserError
from dvn_tf.networks.kernel_blocks import take_channels
from dvn_tf.networks.padding import SYMMETRIC
from dvn_tf.units import UnitPartition, Units

X = TypeVar("X")


class LayerSet(Generic[X]):
    """The operations that a backbone may use.

    Shapes are those of one virtual network; c(w) is the number of channels that its units own in
    a layer of w channels, b the batch, h and w the height and width of the maps in pixels.
    Layers with weights have a name that is unique in the backbone and the same in every set:
    weights are copied from one set's layers to another's by name.
    """

    def conv(self, x: X, width: int, kernel_size: int, stride: int, *, name: str) -> X:
        """A convolution without bias that pads (kernel_size - 1) / 2 pixels on every side.

        Args:
            x: (b, h, w, c).
            width: output channels of the whole network, all units together.
            kernel_size: side of the square kernel in pixels.
            stride: in pixels, both directions.
            name: of the layer.

        Returns:
            (b, h / stride, w / stride, c(width)), rounded up.
        """
        raise self._lacks("conv")

    def norm(self, x: X, *, name: str) -> X:
        """Batch normalization: (b, h, w, c) to the same shape.

        Every virtual network has statistics, scale and offset of its own.
        """
        raise self._lacks("norm")

    def relu(self, x: X) -> X:
        """The rectifier: any shape to the same shape."""
        raise self._lacks("relu")

    def add(self, x: X, y: X) -> X:
        """The sum of two features of one shape (b, h, w, c)."""
        raise self._lacks("add")

    def concatenate(self, x: X, y: X) -> X:
        """Features side by side: (b, h, w, c(x)) and (b, h, w, c(y)) to (b, h, w, c(x) + c(y)).

        A unit owns its channels of both. From an input layer, which is not partitioned, a
        virtual network takes the channels of its own units.
        """
        raise self._lacks("concatenate")

    def shortcut(self, x: X, width: int, stride: int) -> X:
        """The parameter-free shortcut (He et al., option A): subsample, then pad with zeros.

        The zeros are inserted behind each unit's channels, so that units stay disjoint. From an
        input layer, which is not partitioned, a virtual network takes its own units' channels.

        Args:
            x: (b, h, w, c), the output of one layer.
            width: channels of the whole network after it.
            stride: in pixels.

        Returns:
            (b, h / stride, w / stride, c(width)), rounded up.
        """
        raise self._lacks("shortcut")

    def max_pool(self, x: X, size: int) -> X:
        """The maximum over windows of size x size pixels, side by side.

        Returns:
            (b, h / size, w / size, c), rounded up.
        """
        raise self._lacks("max_pool")

    def pool(self, x: X) -> X:
        """The average over all positions: (b, h, w, c) to (b, c). A backbone ends with it."""
        raise self._lacks("pool")

    def _lacks(self, operation: str) -> UserError:
        return UserError(
            f"{type(self).__name__} has no operation {operation!r}, which the backbone asks for: "
            f"implement {type(self).__name__}.{operation}, or use another operation of LayerSet"
        )


@dataclasses.dataclass(frozen=True)
class Features:
    """Feature maps between two layers of a backbone.

    Args:
        tensors: for each virtual network its tensor (b, h, w, c); where `partitioned`, for each
            of the layer set's streams.
        widths: channels of the whole network here, all units together: one number for each of
            the layers that were concatenated, a single one as a rule.
        partitioned: whether the channels are divided into units. Those of an input layer are
            not: every virtual network of the task holds all of them.
    """

    tensors: list
    widths: tuple[int, ...]
    partitioned: bool = False

    @property
    def width(self) -> int:
        """Channels of the whole network here."""
        return sum(self.widths)


class TensorLayers(LayerSet[Features]):
    """The operations without weights, for layer sets that compute `Features`.

    Units that are computed together are a stream, and its channels are one tensor. A virtual
    network is one stream as a rule; with causal levels it has a stream for each group of units,
    see `dvn_tf.entry_groups`.

    Args:
        partition: the channel fractions of the units.
        units: for each stream its units.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        padding: see `dvn_tf.networks.padding`.
        owners: for each stream the number, from 0, of the features of the input layer that it
            reads. Convolutions of a stream read the streams of its owner up to itself. None gives
            every stream an owner of its own.
    """

    def __init__(
        self,
        partition: UnitPartition,
        units: list[Units],
        weight_decay: float,
        policy,
        padding: str = SYMMETRIC,
        owners: Sequence[int] | None = None,
    ):
        self.partition = partition
        self.units = units
        self.owners = tuple(range(len(units)) if owners is None else owners)
        self.weight_decay = weight_decay
        self.policy = policy
        self.padding = padding
        self._pools = collections.Counter()

    def relu(self, x: Features) -> Features:
        """See `LayerSet.relu`."""
        return dataclasses.replace(x, tensors=[keras.ops.relu(t) for t in x.tensors])

    def add(self, x: Features, y: Features) -> Features:
        """See `LayerSet.add`."""
        tensors = [keras.ops.add(a, b) for a, b in zip(x.tensors, y.tensors, strict=True)]
        return dataclasses.replace(y, tensors=tensors)

    def concatenate(self, x: Features, y: Features) -> Features:
        """See `LayerSet.concatenate`."""
        x, y = self._own_units(x), self._own_units(y)
        tensors = [
            keras.ops.concatenate(pair, axis=3) for pair in zip(x.tensors, y.tensors, strict=True)
        ]
        return Features(tensors, x.widths + y.widths, partitioned=True)

    def max_pool(self, x: Features, size: int) -> Features:
        """See `LayerSet.max_pool`."""
        pool = keras.layers.MaxPooling2D(
            size, padding="same", dtype=self.policy, name=self._pool_name("max_pooling2d")
        )
        return dataclasses.replace(x, tensors=[pool(t) for t in x.tensors])

    def pool(self, x: Features) -> Features:
        """See `LayerSet.pool`."""
        name = self._pool_name("global_average_pooling2d")
        pool = keras.layers.GlobalAveragePooling2D(dtype=self.policy, name=name)
        return dataclasses.replace(x, tensors=[pool(t) for t in x.tensors])

    def shortcut(self, x: Features, width: int, stride: int) -> Features:
        """See `LayerSet.shortcut`."""
        check_shortcut(x.widths)
        if stride > 1:
            subsample = keras.layers.MaxPooling2D(
                1, stride, dtype=self.policy, name=self._pool_name("max_pooling2d")
            )
            x = dataclasses.replace(x, tensors=[subsample(t) for t in x.tensors])
        x = self._own_units(x)
        if width == x.width:
            return x
        tensors = [
            self._pad_units(t, units, x.width, width)
            for t, units in zip(x.tensors, self.units, strict=True)
        ]
        return Features(tensors, (width,), partitioned=True)

    def _pool_name(self, kind: str) -> str:
        """A name as Keras gives it, but numbered in this network instead of in the process."""
        self._pools[kind] += 1
        return kind if self._pools[kind] == 1 else f"{kind}_{self._pools[kind] - 1}"

    def _own_units(self, x: Features) -> Features:
        """Of features that are not partitioned, the channels of each stream's units."""
        if x.partitioned:
            return x
        tensors = [
            take_channels(x.tensors[owner], self.partition.intervals(x.widths, units), axis=3)
            for owner, units in zip(self.owners, self.units, strict=True)
        ]
        return Features(tensors, x.widths, partitioned=True)

    def _read(self, x: Features) -> tuple[list, list[Groups | None]]:
        """What a convolution of each stream reads: a tensor and its groups of units."""
        if not x.partitioned:
            return [x.tensors[owner] for owner in self.owners], [None] * len(self.owners)
        tensors, groups = [], []
        for stream, owner in enumerate(self.owners):
            streams = [other for other in range(stream + 1) if self.owners[other] == owner]
            parts = {self.units[other]: x.tensors[other] for other in streams}
            groups.append(read_order(tuple(parts)))
            read = [parts[group] for group in groups[-1]]
            tensors.append(read[0] if len(read) == 1 else keras.ops.concatenate(read, axis=3))
        return tensors, groups

    def _pad_units(self, tensor, units: Units, old_width: int, new_width: int):
        parts, start = [], 0
        for unit in units:
            old = self.partition.width(old_width, (unit,))
            new = self.partition.width(new_width, (unit,))
            part = take_channels(tensor, ((start, start + old),), axis=3)  # (b, h, w, old)
            parts.append(  # (b, h, w, new)
                keras.ops.pad(part, ((0, 0), (0, 0), (0, 0), (0, new - old)))
            )
            start += old
        return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, axis=3)


def check_shortcut(widths: tuple[int, ...]) -> None:
    """Checks that a parameter-free shortcut starts from one layer.

    Raises:
        UserError: if it starts from a concatenation, where a unit's channels have gaps.
    """
    if len(widths) > 1:
        raise UserError(
            "a parameter-free shortcut starts from the output of one layer, not from a "
            f"concatenation of {len(widths)}: use a 1x1 convolution there"
        )


def decay(weight_decay: float):
    """L2 in the loss that equals a decay in the gradient: the derivative of d/2 w^2 is d w."""
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None


def at_least_single(policy) -> str:
    """Single precision, or double where the network computes in double."""
    return keras.backend.result_type(keras.dtype_policies.get(policy).compute_dtype, "float32")
