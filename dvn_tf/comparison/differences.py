"""The DVN against every other method: paired tests over the seeds that both have."""

import itertools

import pandas as pd

from dvn_tf.comparison import markdown, statistics
from dvn_tf.comparison.comparison import AVERAGE, Comparison

SIGNIFICANT = 0.05
_COLUMNS = ["level", "method", "title", "seeds", "mean", "half", "p", "reason", "paper"]
_TABLE_HEAD = ["DVN against", "DVN's level", "task", "parameters", "difference, points"]
_TABLE_HEAD += ["paper (N = 1)", "seeds", "p", "p, Holm", "verdict"]


def differences(comparison: Comparison) -> pd.DataFrame:
    """Compares the DVN's highest and lowest level to the highest of each other method.

    Returns:
        A row for each of the DVN's levels, each method and each task, with the average over tasks
        after the tasks; empty without a DVN. The columns: level (of the DVN), method, title (of
        the task), seeds (how many both have), mean and half (the difference in points with half
        its 95 % interval), p (of the paired test), reason (why there is no p), p_holm (p after
        Holm's correction over all rows), paper (the paper's difference) and verdict (in words).
        A number that cannot be computed is NaN.
    """
    rows = []
    if comparison.has_dvn:
        ends = dict.fromkeys((comparison.methods.at["dvn", "levels"], 1))
        tests = itertools.product(ends, comparison.methods.index.drop("dvn"), comparison.accuracies)
        rows = [(*test, *_difference(comparison, *test)) for test in tests]
    found = pd.DataFrame(rows, columns=_COLUMNS)
    found["p_holm"] = statistics.holm([row[_COLUMNS.index("p")] for row in rows])
    found = found.astype(dict.fromkeys(("mean", "half", "p", "paper", "p_holm"), float))
    return found.assign(verdict=[_verdict(row) for row in found.itertuples()])


def _difference(comparison: Comparison, level: int, method: str, title: str) -> tuple:
    """The columns from "seeds" on."""
    compared = [("dvn", level), (method, comparison.methods.at[method, "levels"])]
    ours, theirs = (comparison.accuracies.loc[output, title] for output in compared)
    papers = [comparison.paper_accuracy(*output, title) for output in compared]
    margin = None if None in papers else papers[0] - papers[1]
    pairs = pd.concat([ours, theirs], axis=1, join="inner").to_numpy().T
    if not pairs.size:
        return 0, None, None, None, "no seed in common: nothing can be said", margin
    test = statistics.paired(*pairs)
    return pairs.shape[1], test.difference.mean, test.difference.half, test.p, test.reason, margin


def _verdict(row) -> str:
    if row.reason:
        return row.reason
    if row.p_holm >= SIGNIFICANT:
        return "not significant"
    return f"DVN {'better' if row.mean > 0 else 'worse'}, significant"


def difference_table(comparison: Comparison, found: pd.DataFrame) -> markdown.Table:
    """The differences, a row for each test.

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    rows = []
    for row in found.itertuples():
        highest = comparison.methods.at[row.method, "levels"]
        # The compared outputs are not always of one size.
        sizes = [] if row.title == AVERAGE else [("dvn", row.level), (row.method, highest)]
        sizes = [comparison.cost(*output, row.title, "parameters_paper") for output in sizes]
        rows.append(
            [
                comparison.methods.at[row.method, "title"],
                str(row.level),
                row.title,
                " : ".join(map(markdown.count, sizes)),
                markdown.with_interval(row, "+") if row.seeds else "—",
                "—" if pd.isna(row.paper) else f"{row.paper:+.2f}",
                str(row.seeds),
                _p(row.p),
                _p(row.p_holm),
                row.verdict,
            ]
        )
    return _TABLE_HEAD, rows


def _p(value: float) -> str:
    if pd.isna(value):
        return "—"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def sentences(comparison: Comparison, found: pd.DataFrame) -> list[str]:
    """The differences of the average over tasks in words.

    Such as "DVN at level 2 against PackNet+: +0.41 ± 0.30 points, 3 seeds: not significant".

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    texts = []
    for row in found[found["title"] == AVERAGE].itertuples():
        text = f"DVN at level {row.level} against {comparison.methods.at[row.method, 'title']}: "
        if row.seeds:
            text += f"{markdown.with_interval(row, '+')} points, "
        if row.seeds > 1:  # with fewer, the verdict says so itself
            text += f"{row.seeds} seeds: "
        texts.append(text + row.verdict)
    return texts


def margins(found: pd.DataFrame) -> str:
    """How large the paper's differences are beside the intervals found here; "" without any.

    Args:
        found: from `differences`.
    """
    printed = found.loc[found["paper"].notna(), ["paper", "half"]].abs()
    pairs = printed.dropna()
    if printed.empty:
        return ""
    text = (
        "The paper's differences come from one training each (N = 1), without intervals. For these "
        f"comparisons they are {printed['paper'].min():.2f} to {printed['paper'].max():.2f} points."
    )
    if pairs.empty:
        return f"{text} With one seed here, too, nothing says how far they are from chance."
    within = (pairs["paper"] <= pairs["half"]).sum()
    return (
        f"{text} The 95 % intervals of the same differences here reach {pairs['half'].min():.2f} "
        f"to {pairs['half'].max():.2f} points to either side: {within} of {len(pairs)} of the "
        "paper's differences are no larger than that."
    )
