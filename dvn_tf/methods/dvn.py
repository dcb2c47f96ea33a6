"""Deep virtual networks: joint (section 3.2) and sequential (section 3.3)."""

import dataclasses
from typing import ClassVar

from dvn_tf.errors import UserError
from dvn_tf.methods.level_learning import LevelLearning
from dvn_tf.methods.method import DistillingMethod, Stage
from dvn_tf.methods.scenario import Scenario
from dvn_tf.units import UnitPartition, UnitTable


@dataclasses.dataclass(frozen=True)
class DVN(LevelLearning, DistillingMethod):
    """k x n_h virtual networks in one network.

    In a joint scenario one stage learns all by Eq. 4. In a sequential one the network of k-1
    units grows by a unit for task k, starts from the old weights and learns by Eq. 6; the first
    task is learned by a network of one unit.

    Args:
        causal: in a joint scenario, a unit of a task reads only units that entered the task no
            later than itself, so that one pass serves all levels of the task.
    """

    name: ClassVar[str] = "dvn"
    title: ClassVar[str] = "DVN"

    causal: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.causal:
            # A step computes each level of a task once already, as a part of the highest.
            self.excludes("causal", "lower_batches", "level_steps", "gradients")

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self.check_cheaper_steps(scenario)
        learning = self.level_learning()
        if not scenario.sequential:
            return self._joint_stage(
                scenario,
                epochs,
                scenario.table,
                scenario.partition,
                learning=learning,
                causal=self.causal,
            )
        if self.causal:
            raise UserError(
                f"DVN.causal is for tasks that are learned together, and scenario {scenario.name} "
                "is sequential: leave DVN.causal at False, or use a joint scenario"
            )
        self._needs_own_table(scenario)
        partition = UnitPartition.even(len(scenario.tasks))
        return self._growing_stages(
            scenario, epochs, lambda k: UnitTable.by_rule(k).rows, partition, learning=learning
        )
