"""The layer set of a network with unit-causal levels: lower levels are parts of higher ones."""

import dataclasses

from keras import ops

from dvn_tf.entry_groups import entry_groups
from dvn_tf.networks.layer_sets import Features
from dvn_tf.networks.padding import SYMMETRIC
from dvn_tf.networks.virtual_layers import VirtualLayers
from dvn_tf.units import UnitPartition, Units, UnitTable


class CausalLayers(VirtualLayers):
    """Layers of all virtual networks, in which a unit reads no unit that enters its task later.

    Streams are the groups of units of each task, see `dvn_tf.entry_groups`: one convolution a
    group, from its own channels and those before. What a level computes does not depend on higher
    ones, so that one pass serves all levels of a task, and they share normalization too. Features
    that are not partitioned have one tensor for each task.

    Args:
        partition: the channel fractions of the units.
        table: which units each (task, level) uses.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        frozen_units: see `UnitConv2D`.
        padding: see `dvn_tf.networks.padding`.
        merge_streams: see `UnitConv2D`.
    """

    def __init__(
        self,
        partition: UnitPartition,
        table: UnitTable,
        weight_decay: float,
        policy,
        frozen_units: Units = (),
        padding: str = SYMMETRIC,
        merge_streams: bool = False,
    ):
        self.table = table
        groups = [
            (row - 1, group)
            for row in range(1, table.num_tasks + 1)
            for group in entry_groups(table, row, table.num_levels)
        ]
        super().__init__(
            partition,
            [group for _, group in groups],
            weight_decay,
            policy,
            frozen_units,
            padding,
            merge_streams,
            owners=[owner for owner, _ in groups],
        )

    def pool(self, x: Features) -> Features:
        """Pools each stream; gives a tensor for each virtual network, in order of entry."""
        pooled = super().pool(x)
        tensors = []
        for row in range(1, self.table.num_tasks + 1):
            own = [
                t for t, owner in zip(pooled.tensors, self.owners, strict=True) if owner == row - 1
            ]
            for level in range(1, self.table.num_levels + 1):
                parts = own[: len(entry_groups(self.table, row, level))]
                tensors.append(parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1))
        return dataclasses.replace(pooled, tensors=tensors)
