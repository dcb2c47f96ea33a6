"""PackNet+: the paper's grouped variant of PackNet (Mallya and Lazebnik, CVPR 2018)."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.method import Method, Stage, prefix_partition, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.units import UnitTable


@dataclasses.dataclass(frozen=True)
class PackNet(Method):
    """One task after the other: task j adds unit j to the frozen units before it.

    It has NestedNet's table. Everything of earlier tasks is frozen: their connections,
    normalization, input layers and heads. Their logits therefore stay the same, bit for bit.
    Task j learns the connections from and to its own unit (section 4.3).
    """

    name: ClassVar[str] = "packnet"
    title: ClassVar[str] = "PackNet+"

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        names = task_names(scenario)
        partition = prefix_partition(scenario)
        rows = UnitTable.prefix(len(names)).rows
        return tuple(
            Stage(
                name,
                (name,),
                learned=(name,),
                table=UnitTable(rows[j - 1 : j], len(names)),
                partition=partition,
                backbone=scenario.backbone,
                epochs=epochs,
                starts_from=names[j - 2 : j - 1],
                frozen_units=tuple(range(1, j)),
            )
            for j, name in enumerate(names, start=1)
        )
