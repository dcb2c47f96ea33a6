"""The DVN against every other method: paired tests over the seeds that both have.

The primary comparison is the one that the paper's tables are about: the average over tasks, the
DVN's highest level against each other method's highest. Only its differences get a verdict. All
others, of single tasks and of the DVN's lowest level, are exploratory. Variants of the DVN and
separate networks have comparisons of their own: `non_inferiority` and `variants`.
"""

import itertools
from collections.abc import Iterator

import pandas as pd

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import AVERAGE, Comparison
from dvn_tf.comparison.statistics import CONFIDENCE, MIN_SEEDS, PairedTest, paired_test

UNDECIDED = "not significant (undecided)"
_NO_SEED = "no verdict (no seed in common)"
_COLUMNS = ["primary", "level", "method", "title", "seeds", "difference", "mean", "half"]
_COLUMNS += ["p", "paper", "verdict"]


def differences(comparison: Comparison) -> pd.DataFrame:
    """Compares the DVN's highest and lowest level to the highest of each other method.

    Returns:
        A row for each comparison, the primary ones first; empty without a DVN or another method.
        The columns: primary (whether it is), level (of the DVN), method, title (of the task, or
        `AVERAGE`), seeds (a tuple of those that both have), difference (an `Estimate` in points,
        None without such seeds), mean and half (its own), p (of the paired test, corrected), paper
        (the paper's difference in points) and verdict (in words). The interval and p of a primary
        comparison are corrected for all of them, see `statistics.paired_test`. An exploratory one
        has an uncorrected interval and no p, and its verdict is "". Numbers that there are not are
        NaN.
    """
    rows = []
    if comparison.has_dvn:
        others = comparison.others
        highest = comparison.methods.at["dvn", "levels"]
        shared = [len(_shared_seeds(comparison, method)) for method in others]
        tests = max(1, sum(number >= MIN_SEEDS for number in shared))
        for method in others:
            rows.append(_row(comparison, highest, method, AVERAGE, tests))
        for level, method, title in _exploratory(comparison, others, highest):
            rows.append(_row(comparison, level, method, title, None))
    found = pd.DataFrame(rows, columns=_COLUMNS)
    return found.astype(dict.fromkeys(("mean", "half", "p", "paper"), float))


def _exploratory(comparison, others, highest: int) -> Iterator[tuple[int, str, str]]:
    yield from itertools.product([highest], others, comparison.tasks["title"])
    if highest > 1:
        yield from itertools.product([1], others, comparison.accuracies)


def _shared_seeds(comparison: Comparison, method: str) -> list[int]:
    seeds = comparison.methods["seeds"]
    return [seed for seed in seeds["dvn"] if seed in seeds[method]]


def _row(comparison: Comparison, level: int, method: str, title: str, tests: int | None) -> tuple:
    """The columns of one comparison; `tests` is None if it is exploratory."""
    compared = [("dvn", level), (method, comparison.methods.at[method, "levels"])]
    papers = [comparison.paper_accuracy(*output, title) for output in compared]
    paper = None if None in papers else papers[0] - papers[1]
    seeds = _shared_seeds(comparison, method)
    primary = tests is not None
    row = (primary, level, method, title, tuple(seeds))
    if not seeds:
        return (*row, None, None, None, None, paper, _NO_SEED if primary else "")
    ours, theirs = (
        comparison.exact_accuracies.loc[output, title].loc[seeds].tolist() for output in compared
    )
    test = paired_test(ours, theirs, tests or 1)
    difference = test.difference
    p, verdict = (test.p, _verdict(test)) if primary else (None, "")
    return (*row, difference, difference.mean, difference.half, p, paper, verdict)


def _verdict(test: PairedTest) -> str:
    if test.reason:
        return test.reason
    if not test.significant:
        return UNDECIDED
    return f"DVN {'better' if test.difference.mean > 0 else 'worse'}, significant"


def primary_table(comparison: Comparison, found: pd.DataFrame) -> markdown.Table:
    """The primary comparisons, a row each.

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    head = ["DVN against", "sizes", "difference, points", "seeds", *_paper_head(found), "p"]
    rows = []
    for row in found[found["primary"]].itertuples():
        title, sizes, *others = _cells(comparison, found, row)
        p = markdown.p_value(row.p, 1 - CONFIDENCE)
        rows.append([title, sizes, *others, p, row.verdict])
    return [*head, "verdict"], rows


def exploratory_table(comparison: Comparison, found: pd.DataFrame) -> markdown.Table:
    """The exploratory comparisons, a row each.

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    head = ["DVN against", "task", "sizes", "parameters", "difference, points", "seeds"]
    rows = []
    for row in found[~found["primary"]].itertuples():
        title, sizes, *others = _cells(comparison, found, row)
        highest = comparison.methods.at[row.method, "levels"]
        # The compared outputs are not always of one size.
        counts = [] if row.title == AVERAGE else [("dvn", row.level), (row.method, highest)]
        counts = [comparison.cost(*output, row.title, "parameters_paper") for output in counts]
        parameters = " : ".join(map(markdown.count, counts))
        rows.append([title, row.title, sizes, parameters, *others])
    return [*head, *_paper_head(found)], rows


def _paper_head(found: pd.DataFrame) -> list[str]:
    """The head of the column of the paper's differences, where there are any."""
    return ["paper (N = 1)"] if found["paper"].notna().any() else []


def _cells(comparison: Comparison, found: pd.DataFrame, row) -> list[str]:
    """What both tables have: the method, the sizes, the difference, the seeds, and the paper's."""
    method = comparison.methods.loc[row.method]
    compared = ("dvn", row.level), (row.method, method["levels"])
    return [
        method["title"],
        " : ".join(comparison.size(*output, row.title) for output in compared),
        markdown.with_interval(row.difference, "+") if row.seeds else "—",
        markdown.seed_list(row.seeds),
        *(["—" if pd.isna(row.paper) else f"{row.paper:+z.2f}"] if _paper_head(found) else []),
    ]


def sentences(comparison: Comparison, found: pd.DataFrame) -> list[str]:
    """The primary comparisons in words.

    Such as "DVN (full) against PackNet+ (full): +0.41 ± 0.30 points (3 seeds: 0, 1, 2): DVN
    better, significant".

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    texts = []
    for row in found[found["primary"]].itertuples():
        highest = comparison.methods.at[row.method, "levels"]
        ours = comparison.level_title("dvn", row.level)
        text = f"{ours} against {comparison.level_title(row.method, highest)}: "
        if row.seeds:
            points = markdown.with_interval(row.difference, "+", " points")
            text += f"{points} ({markdown.seeds(row.seeds)}): "
        texts.append(text + row.verdict)
    return texts


def interval_note(found: pd.DataFrame) -> str:
    """How the intervals and verdicts of the primary comparisons are to be read.

    Args:
        found: from `differences`.
    """
    primary = found[found["primary"]]
    tests = (primary["seeds"].map(len) >= MIN_SEEDS).sum()
    if not tests:
        return (
            "No comparison has three seeds in common, so each seed's difference is shown, and "
            "there is no interval and no verdict."
        )
    level = f"{100 * CONFIDENCE:g} %"
    text = f"The interval is Student's at {level}, of the differences seed by seed."
    if tests > 1:
        each = f"{100 * (1 - (1 - CONFIDENCE) / tests):.4g} %"
        text = (
            f"The intervals are Student's, of the differences seed by seed. Each is at {each}, so "
            f"that all {tests} hold together at {level} (Bonferroni); p is corrected likewise."
        )
    text += " A difference is significant if its interval excludes 0."
    if (primary["seeds"].map(len) < MIN_SEEDS).any():
        text += " With fewer than three seeds in common, each seed's difference is shown instead."
    if (primary["verdict"] == UNDECIDED).any():
        text += (
            " Undecided does not mean equal: the difference may be anything within the interval."
        )
    return text


def exploratory_note(found: pd.DataFrame) -> str:
    """How the intervals of the exploratory comparisons are to be read.

    Args:
        found: from `differences`.
    """
    number = found.loc[~found["primary"], "half"].notna().sum()
    if not number:
        return "With fewer than three seeds in common, each seed's difference is shown."
    return (
        f"Each interval is at {100 * CONFIDENCE:g} %, not corrected for there being {number} of "
        "them, so some may exclude 0 by chance alone. They suggest what to test with new seeds, "
        "and decide nothing."
    )


def margins(found: pd.DataFrame) -> list[str]:
    """How large the paper's differences are beside the intervals found here, as a paragraph.

    Args:
        found: from `differences`.
    """
    printed = found.loc[found["paper"].notna(), ["paper", "half"]].abs()
    pairs = printed.dropna()
    if printed.empty:
        return []
    text = (
        "The paper's differences come from one training each (N = 1), without intervals. For these "
        f"comparisons they are {printed['paper'].min():.2f} to {printed['paper'].max():.2f} points."
    )
    if pairs.empty:
        text += " With fewer than three seeds here, nothing says how far they are from chance."
        return ["", text]
    within = (pairs["paper"] <= pairs["half"]).sum()
    text += (
        f" The intervals of the same differences here reach {pairs['half'].min():.2f} to "
        f"{pairs['half'].max():.2f} points to either side: {within} of {len(pairs)} of the paper's "
        "differences are no larger than that."
    )
    return ["", text]
