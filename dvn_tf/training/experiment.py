"""An experiment: a method on a scenario, trained by a recipe."""

import collections
import dataclasses
import pathlib
from typing import Annotated

from dvn_tf.errors import UserError
from dvn_tf.methods import DVN, Method
from dvn_tf.methods.scenario import Scenario
from dvn_tf.settings import Described, FileName, Lines, check_settings
from dvn_tf.training.recipe import Recipe

# Names that a run folder uses itself.
_RESERVED = ("average", "checkpoints", "export", "tensorboard")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that determines a run.

    Args:
        scenario: what is learned.
        recipe: how it is trained.
        method: which networks are trained on what.
        variant: names one setting of a method among several, for its folder and in reports:
            "distilled" makes the method `dvn_distilled` and "DVN, distilled". None is the method
            alone.
        config: the operative configuration: a gin file with every value in use.
        imports: Python modules that gin files of this experiment may import.

    Raises:
        UserError: if the parts do not fit each other.
    """

    scenario: Scenario
    recipe: Recipe
    method: Annotated[Method, Described("a method such as @DVN()")] = dataclasses.field(
        default_factory=DVN
    )
    variant: Annotated[str, FileName()] | None = None
    config: Annotated[str, Lines()] = ""
    imports: tuple[str, ...] = ()

    def __post_init__(self):
        check_settings(self)
        stages = self.method.stages(self.scenario, self.recipe.epochs)
        names = [task.name for task in self.scenario.tasks]
        folders = [*names, *(stage.name for stage in stages if stage.name not in names)]
        taken = sorted({*_RESERVED} & {*folders})
        if taken:
            raise UserError(
                f"a task cannot be named {taken[0]!r}: a run uses that name itself; choose another "
                "name"
            )
        if unsafe := [name for name in folders if pathlib.PurePath(name).name != name]:
            raise UserError(
                f"a stage's folder cannot be named {unsafe[0]!r}: choose a backbone or method "
                "whose name has no slash"
            )
        counts = collections.Counter(stage.name for stage in stages)
        if doubled := [name for name, count in counts.items() if count > 1]:
            raise UserError(
                f"two stages of {self.method.title} would be in one folder, {doubled[0]!r}: choose "
                "other names for the tasks, or other backbones"
            )
        for stage in stages:
            dataclasses.replace(self.recipe, epochs=stage.epochs)  # a stage may be too short
            for width in stage.backbone.widths:
                stage.partition.bounds(width)  # raises where a unit would get no channel

    @property
    def method_name(self) -> str:
        """The method with its variant, as in run folders: "dvn_distilled"."""
        return "_".join(filter(None, (self.method.name, self.variant)))

    @property
    def method_title(self) -> str:
        """The method with its variant, as in reports: "DVN, distilled"."""
        parts = (self.method.title, self.variant and self.variant.replace("_", " "))
        return ", ".join(filter(None, parts))
