"""NestedNet with channel pruning (Kim et al., CVPR 2018), in the forms that the paper compares."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.method import DistillingMethod, Method, Stage, prefix_partition, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.units import UnitTable


@dataclasses.dataclass(frozen=True)
class NestedNet(DistillingMethod):
    """One network in which task j uses the units 1..j: one output a task.

    A joint scenario learns all tasks at once: multi-task learning (section 4.3) or hierarchical
    classification with the coarse task at the low level (section 4.4). In a sequential scenario
    the old task is at the low level, kept by distillation, and the new one at the high level
    (section 4.5).
    """

    name: ClassVar[str] = "nestednet"
    title: ClassVar[str] = "NestedNet"

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        partition = prefix_partition(scenario)
        if scenario.sequential:
            return self._growing_stages(
                scenario, epochs, lambda k: UnitTable.prefix(k).rows, partition
            )
        table = UnitTable.prefix(len(scenario.tasks))
        return self._joint_stage(scenario, epochs, table, partition)


@dataclasses.dataclass(frozen=True)
class NestedNetSingle(Method):
    """Memory efficient learning (section 3.1, Figure 5b): a network of n_h levels for each task.

    The levels have the sizes of the scenario's levels, so that budgets can be compared. Each
    level uses the first units.
    """

    name: ClassVar[str] = "nestednet_single"
    title: ClassVar[str] = "NestedNet, one network a task"
    one_network: ClassVar[bool] = False

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self._needs_joint(scenario)
        rows = tuple(tuple(range(1, len(units) + 1)) for units in scenario.table.rows[0])
        return tuple(
            Stage(
                name,
                (name,),
                learned=(name,),
                table=UnitTable((rows,), scenario.table.num_units),
                partition=scenario.partition,
                backbone=scenario.backbone,
                epochs=epochs,
            )
            for name in task_names(scenario)
        )
