"""Virtual networks against networks of their own, in words and tables."""

from collections.abc import Sequence

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import SEPARATE, Comparison
from dvn_tf.comparison.non_inferiority import (
    EXPLORATORY,
    SECONDARY,
    OwnNetworkTest,
    resampled_intervals,
)
from dvn_tf.comparison.resampling import RESAMPLES
from dvn_tf.comparison.statistics import CONFIDENCE, seeds_needed

HEADING = "Against separate networks"
_UNDECIDED = "undecided"
_POWER = 0.8

Ends = tuple[float, float] | None


def verdict(one: OwnNetworkTest) -> str:
    """The verdict of a primary or secondary comparison in words."""
    test = one.test
    if test is None or test.reason:
        return one.reason or test.reason
    if test.not_worse:
        return f"not worse than its own network by more than {markdown.points(test.margin)}"
    if test.worse:
        return f"worse by more than {markdown.points(test.margin)}"
    return _UNDECIDED


def sentences(comparison: Comparison, tests: Sequence[OwnNetworkTest]) -> list[str]:
    """Comparisons in words, without the exploratory ones.

    Args:
        comparison: the runs.
        tests: from `own_network_tests`.
    """
    texts = []
    for one in filter(_counts, tests):
        titles = comparison.methods["title"]
        text = (
            f"{titles[one.method]} against {_lower(titles[SEPARATE])}, "
            f"average over all {len(one.outputs)} outputs: "
        )
        if one.test:
            text += f"{_points(one, ' points')}"
            if one.ends:
                text += f", {_level(one.tests)} interval {_bounds(one, one.ends)}"
            text += f" ({markdown.seeds(one.seeds)}): "
        texts.append(text + verdict(one))
    return texts


def note(tests: Sequence[OwnNetworkTest]) -> str:
    """How the intervals and verdicts are to be read.

    Args:
        tests: from `own_network_tests`, not empty.
    """
    shown = [one for one in filter(_counts, tests) if one.ends]
    if not shown:
        return (
            "With fewer than three seeds in common, each seed's difference is shown, and there is "
            "no interval and no verdict."
        )
    margin = float(shown[0].test.margin)
    text = (
        "The question is one-sided: are virtual networks worse than networks of their own by more "
        f"than {markdown.points(margin)}? They are not if the whole interval lies above -{margin}. "
        f"They are if it lies below -{margin}. Otherwise this is undecided, which does not mean "
        "equal. Intervals are Student's, of the differences seed by seed. Each end is that of a "
        f"one-sided interval at {_percent(CONFIDENCE)}, so both together are a two-sided one at "
        f"{_level(1)}."
    )
    secondary = [one for one in shown if one.role == SECONDARY]
    if secondary and len(secondary) < len(shown):
        text += " The DVN by itself is the primary comparison, variants are secondary."
    if secondary and (number := secondary[0].tests) > 1:
        text += (
            f" The intervals of the {number} variants are at {_level(number)}, so that all "
            f"{number} hold together (Bonferroni), and their p is corrected likewise."
        )
    return text


def section(comparison: Comparison, tests: Sequence[OwnNetworkTest]) -> list[str]:
    """The report's section, as lines of Markdown.

    Args:
        comparison: the runs.
        tests: from `own_network_tests`, not empty.
    """
    drawn = resampled_intervals(comparison, tests)
    verdicts = [(one, ends) for one, ends in zip(tests, drawn, strict=True) if _counts(one)]
    parts = [(one, ends) for one, ends in zip(tests, drawn, strict=True) if not _counts(one)]
    lines = [
        "Separate networks are as many as there are outputs, of the same sizes, trained by the "
        "same recipe on the same images, with nothing shared. The average over all outputs: the "
        "virtual networks minus their own networks, in points of accuracy.",
        "",
        *markdown.table(*_verdict_table(comparison, verdicts)),
        "",
        note(tests) + _resampling_note(tests, drawn),
    ]
    if any(one.ends for one, _ in verdicts):
        lines += ["", "### Seeds needed", "", *_power(comparison, [one for one, _ in verdicts])]
    if parts:
        lines += [
            "",
            "### Single levels and outputs",
            "",
            f"Exploratory: each interval is at {_level(1)}, not corrected for there being "
            f"{len(parts)} of them, so some may lie beyond the margin by chance alone. A level is "
            "averaged over the tasks.",
            "",
            *markdown.table(*_exploratory_table(comparison, parts)),
        ]
    return lines


def _counts(one: OwnNetworkTest) -> bool:
    return one.role != EXPLORATORY


def _verdict_table(comparison: Comparison, rows: list[tuple[OwnNetworkTest, Ends]]):
    head = ["Method", "difference, points", "interval", *_resampled_head(rows)]
    cells = []
    for one, ends in rows:
        p = "—" if one.test is None or one.test.p is None else one.test.p
        cells.append(
            [
                comparison.methods.at[one.method, "title"],
                *_shown(one, ends, rows),
                markdown.seed_list(one.seeds),
                p if isinstance(p, str) else markdown.p_value(p, 1 - CONFIDENCE),
                verdict(one),
            ]
        )
    return [*head, "seeds", "p", "verdict"], cells


def _exploratory_table(comparison: Comparison, rows: list[tuple[OwnNetworkTest, Ends]]):
    head = ["Method", "average of", "difference, points", "interval", *_resampled_head(rows)]
    cells = [
        [comparison.methods.at[one.method, "title"], one.title, *_shown(one, ends, rows)]
        for one, ends in rows
    ]
    return head, cells


def _resampled_head(rows) -> list[str]:
    return ["interval, images resampled too"] if any(ends for _, ends in rows) else []


def _shown(one: OwnNetworkTest, ends: Ends, rows) -> list[str]:
    """The difference and its intervals."""
    cells = ["—" if one.test is None else _points(one)]
    cells.append(_bounds(one, one.ends) if one.ends else "—")
    if _resampled_head(rows):
        cells.append(_bounds(one, ends) if ends else "—")
    return cells


def _points(one: OwnNetworkTest, unit: str = "") -> str:
    """The mean difference, or each seed's where there is no interval."""
    difference = one.test.difference
    values = difference.values if one.ends is None else (difference.mean,)
    return ", ".join(f"{value:+z.2f}" for value in values) + unit


def _bounds(one: OwnNetworkTest, ends: tuple[float, float]) -> str:
    """An interval; where there is a verdict, with the digits that show it."""
    return markdown.bounds(*ends, -one.test.margin if _counts(one) else None)


def _power(comparison: Comparison, tests: Sequence[OwnNetworkTest]) -> list[str]:
    """How many seeds the verdict takes, if methods are as good, and if they are a little worse."""
    head = ["Method", "seeds", "standard deviation by seed, points"]
    head += ["seeds needed if as good", "if worse by half the margin"]
    rows = []
    tested = [one for one in tests if one.ends is not None]
    margin = tested[0].test.margin
    for one in tested:
        deviation = one.test.deviation
        needed = [
            seeds_needed(deviation, margin, true, one.alpha, _POWER) for true in (0, -margin / 2)
        ]
        rows.append(
            [
                comparison.methods.at[one.method, "title"],
                str(len(one.seeds)),
                f"{deviation:.2f}",
                *("over a million" if number is None else f"{number:,}" for number in needed),
            ]
        )
    return [
        f"So many seeds find with a probability of {_percent(_POWER)} that a method is not worse "
        f"by more than {markdown.points(margin)}, if it is truly as good as networks of their own, "
        "and if it is truly worse by half of that (paired one-sided t test, noncentral t). The "
        "standard deviation is that of the paired difference by seed; that of few seeds is itself "
        "uncertain.",
        "",
        *markdown.table(head, rows),
    ]


def _resampling_note(tests: Sequence[OwnNetworkTest], drawn: Sequence[Ends]) -> str:
    if not any(drawn):
        return ""
    text = (
        f" The interval beside Student's resamples seeds and test images together ({RESAMPLES:,} "
        "times, percentiles), at the same level. Percentiles of few seeds are narrow, so the "
        "verdict goes by Student's."
    )
    if any(ends is None and one.ends for one, ends in zip(tests, drawn, strict=True)):
        text += " Runs without a correct.json have none."
    return text


def _level(tests: int) -> str:
    """The level of a two-sided interval whose ends are one-sided ones: "90 %"."""
    return _percent(1 - 2 * (1 - CONFIDENCE) / tests)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _lower(title: str) -> str:
    """A title within a sentence."""
    return title[:1].lower() + title[1:]
