"""How the levels of a task learn together: variations of Eq. 4, all off by default."""

import dataclasses
from typing import Annotated

from dvn_tf.errors import UserError
from dvn_tf.methods.scenario import Scenario
from dvn_tf.settings import Between, OneOf, check_settings


@dataclasses.dataclass(frozen=True)
class LevelLearning:
    """Settings of how virtual networks learn together. The default is exact Eq. 4.

    Args:
        self_distillation: weight of the losses by which each level also learns from the next
            higher one of its task, see `dvn_tf.networks.self_distillation`; 0 is without.
        soft_temperature: T of self-distillation, whose loss is multiplied by T^2.
        soft_ramp: the share of all steps over which the weight of self-distillation rises
            linearly from 0; with 0 it is there at once.
        hard_labels: which levels learn from labels: "all", or "highest", where self-distillation
            alone teaches the levels below.
        gradients: "sum" adds the gradients of all losses that reach a connection of units, as
            Eq. 4 does; "mean" divides by their number, see `dvn_tf.networks.mean_gradients`.
        lower_batches: what a level below the highest sees of each batch: the "whole", or a
            "share", one image of n_h. Joint scenarios only.
        level_steps: whether "all" levels learn in each step, or "one" that is drawn anew for each
            step. Joint scenarios only.

    Raises:
        UserError: if a value makes no sense, or two exclude each other.
    """

    self_distillation: Annotated[float, Between(0, 1_000)] = 0.0
    soft_temperature: Annotated[float, Between(0, 1_000, without_low=True)] = 1.0
    soft_ramp: Annotated[float, Between(0, 1)] = 0.0
    hard_labels: Annotated[str, OneOf("all", "highest")] = "all"
    gradients: Annotated[str, OneOf("sum", "mean")] = "sum"
    lower_batches: Annotated[str, OneOf("whole", "share")] = "whole"
    level_steps: Annotated[str, OneOf("all", "one")] = "all"

    def __post_init__(self):
        check_settings(self)
        name = type(self).__name__
        if self.hard_labels == "highest" and not self.self_distillation:
            raise UserError(
                f"{name}.hard_labels = 'highest' leaves the lower levels nothing to learn from: "
                f"set {name}.self_distillation above 0, or use 'all'"
            )
        if self.lower_batches == "share":
            self.excludes("lower_batches", "self_distillation", "level_steps", "gradients")
        if self.level_steps == "one":
            self.excludes("level_steps", "self_distillation", "gradients")

    def excludes(self, setting: str, *others: str) -> None:
        """Checks that settings have their defaults beside one that leaves them nothing to do.

        Args:
            setting: the one.
            *others: the others, of `LevelLearning`.

        Raises:
            UserError: if one of them has not.
        """
        name, defaults = type(self).__name__, LevelLearning.__dataclass_fields__
        for other in others:
            value = getattr(self, other)
            if value != defaults[other].default:
                raise UserError(
                    f"{name}.{setting} = {getattr(self, setting)!r} excludes {name}.{other} = "
                    f"{value!r}: leave one of the two out"
                )

    def level_learning(self) -> "LevelLearning":
        """These settings alone, without those of a method that inherits them."""
        names = [field.name for field in dataclasses.fields(LevelLearning)]
        return LevelLearning(**{name: getattr(self, name) for name in names})

    def check_cheaper_steps(self, scenario: Scenario) -> None:
        """Checks that a scenario allows `lower_batches` and `level_steps`.

        Raises:
            UserError: if one of them is set, and the scenario is sequential.
        """
        if not scenario.sequential:
            return
        for name in ("lower_batches", "level_steps"):
            value = getattr(self, name)
            if value != LevelLearning.__dataclass_fields__[name].default:
                raise UserError(
                    f"{type(self).__name__}.{name} = {value!r} is for tasks that are learned "
                    f"together, and scenario {scenario.name} is sequential: use it with a joint "
                    "scenario, such as gin/j1_cifar.gin, or leave it out"
                )
