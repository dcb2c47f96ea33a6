"""Separate networks: every (task, level) as a network of its own, of that level's size."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.method import Method, Stage, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.units import UnitTable


@dataclasses.dataclass(frozen=True)
class Separate(Method):
    """k x n_h independent networks, each as wide as the virtual network that it stands for.

    What a deep virtual network has to be measured against: the same outputs at the same sizes,
    trained by the same recipe on the same images in the same order, and nothing shared. The paper
    has no such comparison. In a sequential scenario nothing is forgotten, so that these networks
    are an upper bound there.
    """

    name: ClassVar[str] = "separate"
    title: ClassVar[str] = "Separate networks"
    one_network: ClassVar[bool] = False

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        table = scenario.table
        return tuple(
            Stage(
                f"{name}_level{level}",
                (name,),
                learned=(name,),
                table=UnitTable(((table.units(task, level),),), table.num_units),
                partition=scenario.partition,
                backbone=scenario.backbone,
                epochs=epochs,
                first_level=level,
            )
            for task, name in enumerate(task_names(scenario), start=1)
            for level in range(1, table.num_levels + 1)
        )
