"""The baseline: the backbone itself, one network for each task."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar

from dvn_tf.methods.method import Method, Stage, task_names
from dvn_tf.methods.scenario import BackboneSetting, Scenario
from dvn_tf.settings import Length, check_settings
from dvn_tf.unit_limits import UNIT_LIMIT
from dvn_tf.units import UnitPartition, UnitTable


@dataclasses.dataclass(frozen=True)
class Baseline(Method):
    """Independent plain networks (section 4.1): nothing is shared.

    Args:
        backbones: one for each level, the smallest first; Table 3 has two, WRN-32-2 and
            WRN-32-4. None is the scenario's backbone alone.
    """

    name: ClassVar[str] = "baseline"
    title: ClassVar[str] = "Baseline"
    one_network: ClassVar[bool] = False

    backbones: Annotated[Sequence[BackboneSetting], Length(1, UNIT_LIMIT)] | None = None

    def __post_init__(self):
        check_settings(self)

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        backbones = self.backbones or (scenario.backbone,)
        return tuple(
            Stage(
                name if len(backbones) == 1 else f"{name}_{backbone.name}",
                (name,),
                learned=(name,),
                table=UnitTable.prefix(1),
                partition=UnitPartition.even(1),
                backbone=backbone,
                epochs=epochs,
                first_level=level,
            )
            for name in task_names(scenario)
            for level, backbone in enumerate(backbones, start=1)
        )
