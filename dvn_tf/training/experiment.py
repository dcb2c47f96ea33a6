"""An experiment: a method on a scenario, trained by a recipe."""

import dataclasses

from dvn_tf.methods import DVN, Method
from dvn_tf.methods.scenario import Scenario
from dvn_tf.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that determines a run.

    Args:
        scenario: what is learned.
        recipe: how it is trained.
        method: which networks are trained on what.
        config: the operative configuration: a gin file with every value in use.
    """

    scenario: Scenario
    recipe: Recipe
    method: Method = dataclasses.field(default_factory=DVN)
    config: str = ""
