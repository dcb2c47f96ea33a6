"""How the levels of a task learn together: variations of Eq. 4, all off by default."""

import dataclasses
from typing import Annotated

from dvn_tf.errors import UserError
from dvn_tf.methods.scenario import Scenario
from dvn_tf.settings import OneOf


@dataclasses.dataclass(frozen=True)
class LevelLearning:
    """Settings of how virtual networks learn together. The default is exact Eq. 4.

    Args:
        lower_batches: what a level below the highest sees of each batch: the "whole", or a
            "share", one image of n_h. Joint scenarios only.
        level_steps: whether "all" levels learn in each step, or "one" that is drawn anew for each
            step. Joint scenarios only.
    """

    lower_batches: Annotated[str, OneOf("whole", "share")] = "whole"
    level_steps: Annotated[str, OneOf("all", "one")] = "all"

    def level_learning(self) -> "LevelLearning":
        """These settings alone, without those of a method that inherits them."""
        names = [field.name for field in dataclasses.fields(LevelLearning)]
        return LevelLearning(**{name: getattr(self, name) for name in names})

    def check_cheaper_steps(self, scenario: Scenario) -> None:
        """Checks that `lower_batches` and `level_steps` fit a scenario and each other.

        Raises:
            UserError: if they do not.
        """
        chosen = [
            f"DVN.{name} = {value!r}"
            for name, value, default in (
                ("lower_batches", self.lower_batches, "whole"),
                ("level_steps", self.level_steps, "all"),
            )
            if value != default
        ]
        if chosen and scenario.sequential:
            raise UserError(
                f"{chosen[0]} is for tasks that are learned together, and scenario "
                f"{scenario.name} is sequential: use it with a joint scenario, such as "
                "gin/j1_cifar.gin, or leave it out"
            )
        if len(chosen) == 2:
            raise UserError(
                f"{chosen[1]} trains a single level in each step, so that none has to share the "
                f"batch: leave it or {chosen[0]} out"
            )
