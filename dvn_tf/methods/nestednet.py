"""NestedNet with channel pruning (Kim et al., CVPR 2018), in the forms that the paper compares."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.stages import Method, Stage, prefix_partition, prefix_rows, task_names
from dvn_tf.scenarios import Scenario
from dvn_tf.units import UnitTable


@dataclasses.dataclass(frozen=True)
class NestedNet(Method):
    """One network in which task j uses the units 1..j: one output a task.

    Joint scenarios learn all tasks at once: multi-task learning (section 4.3), and hierarchical
    classification with the coarse task at the low level (section 4.4). In sequential ones the
    low level holds the old task, kept by distillation, and the high level the new (section 4.5).

    Args:
        temperature: T of the distillation.
        distillation_weight: of each distillation loss against each cross-entropy.
    """

    name: ClassVar[str] = "nestednet"
    title: ClassVar[str] = "NestedNet"

    temperature: float = 2.0
    distillation_weight: float = 1.0

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        names = task_names(scenario)
        partition = prefix_partition(scenario)
        lengths = range(1, len(names) + 1) if scenario.sequential else (len(names),)
        return tuple(
            Stage(
                names[k - 1] if scenario.sequential else "all",
                names[:k],
                learned=(names[k - 1],) if scenario.sequential else names,
                table=UnitTable(prefix_rows(1, k), len(names)),
                partition=partition,
                backbone=scenario.backbone,
                epochs=epochs,
                starts_from=names[k - 2 : k - 1] if scenario.sequential else (),
                teacher=names[k - 2] if scenario.sequential and k > 1 else None,
                temperature=self.temperature,
                distillation_weight=self.distillation_weight,
            )
            for k in lengths
        )


@dataclasses.dataclass(frozen=True)
class NestedNetSingle(Method):
    """Memory efficient learning (section 3.1, Figure 5b): a network of n_h levels for each task.

    The levels have the sizes of the scenario's own, so that budgets can be compared; level l
    takes the first units.
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
