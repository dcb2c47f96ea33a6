"""How the levels of a task learn together: variations of Eq. 4, all off by default."""

import dataclasses
from typing import Annotated

from dvn_tf.errors import UserError
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

    Raises:
        UserError: if a value makes no sense.
    """

    self_distillation: Annotated[float, Between(0, 1_000)] = 0.0
    soft_temperature: Annotated[float, Between(0, 1_000, without_low=True)] = 1.0
    soft_ramp: Annotated[float, Between(0, 1)] = 0.0
    hard_labels: Annotated[str, OneOf("all", "highest")] = "all"
    gradients: Annotated[str, OneOf("sum", "mean")] = "sum"

    def __post_init__(self):
        check_settings(self)
        self._check_hard_labels()

    def _check_hard_labels(self) -> None:
        if self.hard_labels == "highest" and not self.self_distillation:
            name = type(self).__name__
            raise UserError(
                f"{name}.hard_labels = 'highest' leaves the lower levels nothing to learn from: "
                f"set {name}.self_distillation above 0, or use 'all'"
            )

    def level_learning(self) -> "LevelLearning":
        """These settings alone, without those of a method that inherits them."""
        names = [field.name for field in dataclasses.fields(LevelLearning)]
        return LevelLearning(**{name: getattr(self, name) for name in names})
