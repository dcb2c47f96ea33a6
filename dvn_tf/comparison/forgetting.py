"""What sequential learning keeps of the old tasks (section 4.5)."""

import pandas as pd

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import Comparison
from dvn_tf.comparison.markdown import Table
from dvn_tf.comparison.statistics import estimate


def changes(comparison: Comparison) -> pd.DataFrame:
    """How the accuracy on the old tasks changed after their own stage of training.

    Args:
        comparison: runs of sequential learning.

    Returns:
        A row for each old task, method, level and seed: method, level, title (the task's),
        seed, before and after (right after the task's stage and at the end, in per cent). Left
        out is a level that was not measured after the task's stage in every run.
    """
    outputs = comparison.outputs
    old = outputs[outputs["task"].isin(comparison.tasks.index[:-1])]
    found = pd.DataFrame(
        {
            "method": old["method"],
            "level": old["level"],
            "title": old["task"].map(comparison.tasks["title"]),
            "seed": old["seed"],
            "before": 100 * old["accuracy_after_stage"],
            "after": 100 * old["accuracy"],
        }
    )
    keys = ["method", "title", "level"]
    return found.groupby(keys).filter(lambda seeds: seeds["before"].notna().all())


def forgetting_table(comparison: Comparison, found: pd.DataFrame) -> Table:
    """The changes, a row for each method, old task and level.

    Args:
        comparison: the runs.
        found: from `changes`.
    """
    head = ["Method", "old task", "after its own stage", "at the end", "change, points"]
    rows = []
    for (method, title, level), seeds in found.groupby(["method", "title", "level"], sort=False):
        rows.append(
            [
                comparison.level_title(method, level),
                title,
                markdown.with_interval(estimate(seeds["before"])),
                markdown.with_interval(estimate(seeds["after"])),
                markdown.with_interval(estimate(seeds["after"] - seeds["before"]), "+"),
            ]
        )
    return head, rows
