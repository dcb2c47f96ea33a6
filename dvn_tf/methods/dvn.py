"""Deep virtual networks: joint (section 3.2) and sequential (section 3.3)."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.stages import Method, Stage, task_names
from dvn_tf.scenarios import Scenario
from dvn_tf.units import UnitPartition, UnitTable


@dataclasses.dataclass(frozen=True)
class DVN(Method):
    """k x n_h virtual networks in one network.

    In a joint scenario one stage learns all by Eq. 4. In a sequential one the network of k-1
    units grows by a unit for task k, starts from the old weights and learns by Eq. 6; the first
    task is learned by a network of one unit.

    Args:
        temperature: T of the distillation.
        distillation_weight: of each distillation loss against each cross-entropy.
    """

    name: ClassVar[str] = "dvn"
    title: ClassVar[str] = "DVN"

    temperature: float = 2.0
    distillation_weight: float = 1.0

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        names = task_names(scenario)
        if not scenario.sequential:
            return (
                Stage(
                    "all",
                    names,
                    learned=names,
                    table=scenario.table,
                    partition=scenario.partition,
                    backbone=scenario.backbone,
                    epochs=epochs,
                ),
            )
        self._needs_own_table(scenario)
        partition = UnitPartition.even(len(names))
        return tuple(
            Stage(
                name,
                names[:k],
                learned=(name,),
                table=UnitTable(UnitTable.by_rule(k).rows, len(names)),
                partition=partition,
                backbone=scenario.backbone,
                epochs=epochs,
                starts_from=names[k - 2 : k - 1],
                teacher=names[k - 2] if k > 1 else None,
                temperature=self.temperature,
                distillation_weight=self.distillation_weight,
            )
            for k, name in enumerate(names, start=1)
        )
