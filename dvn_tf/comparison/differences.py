"""The DVN against every other method: paired tests over the seeds that both have."""

import dataclasses

from dvn_tf.comparison import markdown, statistics, tables
from dvn_tf.comparison.paper import PaperScenario
from dvn_tf.comparison.runs import Comparison, Method
from dvn_tf.comparison.statistics import PairedTest

SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class Difference:
    """The DVN at one level minus another method at its highest, in points.

    Attributes:
        level: the DVN's level.
        other: the method.
        task: a task's name; None is the average over tasks.
        test: the paired test; None where no seed is shared.
        corrected: p after Holm's correction over all tests of the report; None without a p.
        papers: the same difference in the paper, None where it has none.
    """

    level: int
    other: Method
    task: str | None
    test: PairedTest | None
    corrected: float | None
    papers: float | None

    @property
    def verdict(self) -> str:
        """What can be said, in plain words."""
        if self.test is None:
            return "no seed in common: nothing can be said"
        if self.test.p is None:
            return self.test.reason
        if self.corrected >= SIGNIFICANT:
            return "not significant"
        return f"DVN {'better' if self.test.difference.mean > 0 else 'worse'}, significant"


def differences(comparison: Comparison, paper: PaperScenario | None) -> list[Difference]:
    """Compares the DVN's highest and lowest level to each method's highest.

    Args:
        comparison: the runs.
        paper: the paper's scenario, if it is one.

    Returns:
        By level, method and task, the average over tasks after the tasks; empty without a DVN.
    """
    dvn = comparison.dvn
    if dvn is None:
        return []
    found = []
    for level in dict.fromkeys((dvn.num_levels, 1)):
        for other in comparison.methods.values():
            if other is dvn:
                continue
            shared = [seed for seed in dvn.seeds if seed in other.seeds]
            for index, task in (*enumerate(comparison.tasks), (None, None)):
                test = None
                if shared:
                    test = statistics.paired(
                        dvn.accuracies(task, level, shared), other.accuracies(task, -1, shared)
                    )
                margin = _papers_margin(paper, dvn, level, other, index)
                found.append(Difference(level, other, task, test, None, margin))
    corrected = statistics.holm([one.test and one.test.p for one in found])
    return [dataclasses.replace(one, corrected=p) for one, p in zip(found, corrected, strict=True)]


def _papers_margin(paper, dvn, level, other, index) -> float | None:
    if paper is None:
        return None
    ours = paper.accuracy(dvn.key, index, level, dvn.num_levels)
    theirs = paper.accuracy(other.key, index, -1, other.num_levels)
    return None if ours is None or theirs is None else ours - theirs


def table(comparison: Comparison, found: list[Difference]) -> tables.Table:
    """The differences as a table, one line a test.

    Args:
        comparison: the runs.
        found: from `differences`.
    """
    titles = tables.task_titles(comparison) | {None: "Average"}
    head = ["DVN against", "DVN's level", "task", "parameters", "difference, points"]
    head += ["paper's (N = 1)", "seeds", "p", "p, Holm", "what it says"]
    rows = []
    for one in found:
        estimate = one.test and one.test.difference
        rows.append(
            [
                one.other.title,
                str(one.level),
                titles[one.task],
                _sizes(comparison.dvn, one),
                markdown.with_interval(estimate, "+") if estimate else "—",
                "—" if one.papers is None else f"{one.papers:+.2f}",
                str(estimate.count if estimate else 0),
                _p(one.test and one.test.p),
                _p(one.corrected),
                one.verdict,
            ]
        )
    return head, rows


def _sizes(dvn: Method, one: Difference) -> str:
    """The parameters of the compared outputs, which are not always of one size."""
    if one.task is None:
        return ""
    sizes = (dvn.output(one.task, one.level), one.other.output(one.task, -1))
    return " : ".join(markdown.count(size["parameters_paper"]) for size in sizes)


def _p(value: float | None) -> str:
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def sentence(one: Difference) -> str:
    """ "DVN at level 2 against PackNet+: +0.41 ± 0.30 points, 3 seeds: not significant"."""
    text = f"DVN at level {one.level} against {one.other.title}: "
    if one.test:
        value = one.test.difference
        text += f"{markdown.with_interval(value, '+')} points, {value.count} seed"
        text += f"{'s' * (value.count > 1)}: "
    # With one seed the verdict says so itself.
    return (text + one.verdict).replace("1 seed: one seed: ", "one seed: ")


def margins(found: list[Difference]) -> str:
    """How large the paper's margins are beside the intervals found here; "" without any."""
    pairs = [
        (abs(one.papers), one.test.difference.half)
        for one in found
        if one.papers is not None and one.test and one.test.difference.half is not None
    ]
    printed = [abs(one.papers) for one in found if one.papers is not None]
    if not printed:
        return ""
    text = (
        "The paper's margins come from one training each (N = 1), without intervals: "
        f"{min(printed):.2f} to {max(printed):.2f} points for these comparisons."
    )
    if not pairs:
        return f"{text} With one seed here, too, nothing says how far they are from chance."
    halves = [half for _, half in pairs]
    within = sum(margin <= half for margin, half in pairs)
    return (
        f"{text} The 95 % intervals of the same differences here reach {min(halves):.2f} to "
        f"{max(halves):.2f} points to either side: {within} of {len(pairs)} of the paper's margins "
        "are no larger than that."
    )
