"""What sequential learning keeps of the old tasks (section 4.5)."""

from fractions import Fraction

import pandas as pd

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import Comparison, as_fraction
from dvn_tf.comparison.markdown import Table
from dvn_tf.comparison.statistics import estimate


def changes(comparison: Comparison) -> pd.DataFrame:
    """How the accuracy on the old tasks changed after their own stage of training.

    Args:
        comparison: runs of sequential learning.

    Returns:
        A row for each old task, method, level and seed: method, level, title (the task's),
        seed, before and after (right after the task's stage and at the end, in per cent, as
        fractions of images). Left out is a level that was not measured after the task's stage in
        every run.
    """
    outputs = comparison.outputs
    old = outputs[outputs["task"].isin(comparison.tasks.index[:-1])]
    keys = ["method", "task", "level"]
    old = old.groupby(keys).filter(lambda seeds: seeds["correct_after_stage"].notna().all())
    percent = Fraction(100) / old["total"].map(as_fraction)
    return pd.DataFrame(
        {
            "method": old["method"],
            "level": old["level"],
            "title": old["task"].map(comparison.tasks["title"]),
            "seed": old["seed"],
            "before": percent * old["correct_after_stage"].map(as_fraction),
            "after": percent * old["correct"].map(as_fraction),
        }
    )


def forgetting_table(comparison: Comparison, found: pd.DataFrame) -> Table:
    """The changes, a row for each method, old task and level.

    Args:
        comparison: the runs.
        found: from `changes`.
    """
    head = ["Method", "old task", "after its own stage", "at the end", "change, points"]
    rows = []
    for (method, title, level), seeds in found.groupby(["method", "title", "level"], sort=False):
        before, after = seeds["before"].tolist(), seeds["after"].tolist()
        change = (seeds["after"] - seeds["before"]).tolist()
        rows.append(
            [
                comparison.level_title(method, level, title),
                title,
                markdown.with_interval(estimate(before)),
                markdown.with_interval(estimate(after)),
                markdown.with_interval(estimate(change), "+"),
            ]
        )
    return head, rows
