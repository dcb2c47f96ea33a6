"""Test accuracy by epoch, from the histories that runs leave in their folders."""

import dataclasses
import re

import numpy as np

from dvn_tf.comparison.reading import read_json
from dvn_tf.comparison.runs import Method, Run
from dvn_tf.comparison.statistics import estimate
from dvn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Curve:
    """Test accuracy by epoch, in per cent.

    Attributes:
        epochs: from 1, those that all seeds have.
        mean: over the seeds.
        half: half the width of the 95 % interval at each epoch; None with one seed.
    """

    epochs: np.ndarray
    mean: np.ndarray
    half: np.ndarray | None


def output_curve(method: Method, task: str, position: int, own_stage: bool = False) -> Curve | None:
    """The curve of an output over the seeds of a method.

    Args:
        method: the method.
        task: a task's name.
        position: the level, 1 for the lowest and -1 for the highest. A stage whose network has
            no such level gives its highest.
        own_stage: whether to take just the stage that learns the task, its epochs from 1;
            otherwise the stages follow each other.

    Returns:
        None if no epoch has this output.

    Raises:
        UserError: if a history is damaged.
    """
    level = int(method.name(task, position).rsplit("/level", 1)[1])
    by_seed = [_accuracies(run, task, level, own_stage) for run in method.runs]
    epochs = sorted(set.intersection(*(set(values) for values in by_seed)))
    if not epochs:
        return None
    values = [estimate([one[epoch] for one in by_seed]) for epoch in epochs]
    half = None if values[0].half is None else np.array([value.half for value in values])
    return Curve(np.array(epochs), np.array([value.mean for value in values]), half)


def stage_ends(method: Method) -> list[int]:
    """The epoch after which each stage but the last ended, counted over all stages."""
    lengths = [len(history) for _, history in _histories(method.runs[0])]
    return list(np.cumsum(lengths[:-1]))


def _accuracies(run: Run, task: str, level: int, own_stage: bool) -> dict[int, float]:
    """{epoch: test accuracy} of an output in one run."""
    pattern = re.compile(rf"val_{re.escape(task)}/level(\d+)_accuracy")
    found, done = {}, 0
    for stage, history in _histories(run):
        if own_stage and task not in stage["learned"]:
            continue
        for epoch, figures in enumerate(history, start=done + 1):
            levels = {
                int(match[1]): value
                for name, value in figures.items()
                if (match := pattern.fullmatch(name))
            }
            if levels:
                found[epoch] = 100 * levels.get(level, levels[max(levels)])
        done += len(history)
    return found


def _histories(run: Run) -> list[tuple[dict, list[dict]]]:
    """Each stage and the logs of its epochs, [] where there is no file."""
    stages = run.results["stages"]
    # A run of one stage keeps its history in its own folder, others in a folder a stage.
    if (run.path / "history.json").exists() and len(stages) == 1:
        return [(stages[0], _history(run.path / "history.json"))]
    return [(stage, _history(run.path / stage["name"] / "history.json")) for stage in stages]


def _history(file) -> list[dict]:
    if not file.exists():
        return []
    history = read_json(file)
    if not isinstance(history, list) or not all(isinstance(epoch, dict) for epoch in history):
        raise UserError(f"{file} is damaged (no list of epochs): move its run away")
    return history
