"""What sequential learning keeps of the old tasks (section 4.5)."""

import dataclasses

import numpy as np

from dvn_tf.comparison import markdown, tables
from dvn_tf.comparison.runs import Comparison, Method, Run
from dvn_tf.comparison.statistics import Estimate, estimate


@dataclasses.dataclass(frozen=True)
class Change:
    """An old task's accuracy right after its own stage and at the end, in per cent.

    Attributes:
        method: the method.
        task: the old task.
        position: the level at the end, from 1.
        before: over the seeds.
        after: over the same seeds.
    """

    method: Method
    task: str
    position: int
    before: np.ndarray
    after: np.ndarray

    @property
    def change(self) -> Estimate:
        return estimate(self.after - self.before)


def changes(comparison: Comparison) -> list[Change]:
    """The changes of all old tasks, by method, task and level.

    The network right after a task's stage may have fewer levels than the last one has: a level
    is compared to itself where it existed, otherwise to the highest of then.

    Args:
        comparison: runs of sequential learning.
    """
    found = []
    for method in comparison.methods.values():
        for task in list(comparison.tasks)[:-1]:
            for position in range(1, len(method.levels[task]) + 1):
                before = [_after_own_stage(run, task, method, position) for run in method.runs]
                if None not in before:
                    after = method.accuracies(task, position)
                    found.append(Change(method, task, position, np.array(before), after))
    return found


def _after_own_stage(run: Run, task: str, method: Method, position: int) -> float | None:
    """The accuracy right after the stage that learned a task; None if it was not measured."""
    for stage in run.results["stages"]:
        levels = {
            int(name.rsplit("/level", 1)[1]): output["accuracy"]
            for name, output in stage["outputs"].items()
            if name.rsplit("/level", 1)[0] == task
        }
        if task in stage["learned"] and levels:
            level = method.levels[task][position - 1]
            return 100 * levels.get(level, levels[max(levels)])
    return None


def table(comparison: Comparison, found: list[Change]) -> tables.Table:
    """The changes as a table.

    Args:
        comparison: the runs.
        found: from `changes`.
    """
    titles = tables.task_titles(comparison)
    head = ["Method", "old task", "after its own stage", "at the end", "change, points"]
    rows = [
        [
            tables.level_title(one.method, one.position),
            titles[one.task],
            markdown.with_interval(estimate(one.before)),
            markdown.with_interval(estimate(one.after)),
            markdown.with_interval(one.change, "+"),
        ]
        for one in found
    ]
    return head, rows
