"""The text of an operative configuration, as `config.gin` of a run holds it, and what it says."""

import dataclasses
import difflib
import re

from dvn_tf.data import Task
from dvn_tf.training.recipe import Recipe

# What makes no difference between recipes or tasks makes none between configurations.
_WITHOUT_EFFECT = [
    f"{kind.__name__}.{field.name}"
    for kind in (Recipe, Task)
    for field in dataclasses.fields(kind)
    if not field.compare
]
# Settings that earlier versions did not have, at the values that give what these versions did.
_ADDED = ("Task.resize = 'stretch'",)
_IGNORED = re.compile(
    r"(?:[\w.]+/)*(?:{})".format(
        "|".join([*(f"{re.escape(name)} =.*" for name in _WITHOUT_EFFECT), *map(re.escape, _ADDED)])
    )
)


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
        for line in difflib.ndiff(_effective(old), _effective(new))
        if line.startswith(("- ", "+ "))
    ]
    before = [line[2:] for line in changes if line.startswith("- ")]
    after = [line[2:] for line in changes if line.startswith("+ ")]
    if before and after:
        return f"there: {before[0]}; asked for: {after[0]}"
    return (before or after or [""])[0]


def _effective(config: str) -> list[str]:
    """The settings that decide what a run learns."""
    return [line for line in settings(config) if not _IGNORED.fullmatch(line)]
