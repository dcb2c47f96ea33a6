"""The text of an operative configuration, as `config.gin` of a run holds it, and what it says."""

import dataclasses
import difflib

from dvn_tf.data import Task
from dvn_tf.training.recipe import Recipe

# What makes no difference between recipes or tasks makes none between configurations.
_WITHOUT_EFFECT = {
    f"{cls.__name__}.{field.name}"
    for cls in (Recipe, Task)
    for field in dataclasses.fields(cls)
    if not field.compare
}
# What earlier versions did without saying it.
_LATER = {
    "Task.resize = 'stretch'",
    "Task.draw = 'first'",
    "Experiment.variant = None",
    "DVN.self_distillation = 0.0",
    "DVN.soft_temperature = 1.0",
    "DVN.soft_ramp = 0.0",
    "DVN.hard_labels = 'all'",
    "DVN.gradients = 'sum'",
    "DVN.lower_batches = 'whole'",
    "DVN.level_steps = 'all'",
    "Scenario.table_rule = 'paper'",
    "Scenario.affinity = None",
    "DVN.causal = False",
}


def settings(config: str) -> list[str]:
    """The settings of a gin file without comments, one a line, sorted."""
    lines = (line.strip() for line in config.replace("\\\n", " ").splitlines())
    return sorted(" ".join(line.split()) for line in lines if line and line[0] != "#")


def difference(old: str, new: str) -> str:
    """The first setting in which two configurations differ, "" where they train alike.

    Args:
        old: the text of the configuration of a run that is there.
        new: that of the run which is asked for.
    """
    changes = [
        line
        for line in difflib.ndiff(settings(old), settings(new))
        if line.startswith(("- ", "+ ")) and not _makes_no_difference(line[2:])
    ]
    before = [line[2:] for line in changes if line.startswith("- ")]
    after = [line[2:] for line in changes if line.startswith("+ ")]
    if before and after:
        return f"there: {before[0]}; asked for: {after[0]}"
    return (before or after or [""])[0]


def _makes_no_difference(setting: str) -> bool:
    """Whether a line of a configuration may be there or not, such as "low/Task.cache = None"."""
    name, _, value = setting.partition(" = ")
    name = name.rpartition("/")[2]
    return name in _WITHOUT_EFFECT or f"{name} = {value}" in _LATER
