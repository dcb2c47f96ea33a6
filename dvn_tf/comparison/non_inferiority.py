"""Virtual networks against networks of their own: not worse by more than a margin?

The networks of the method `separate` have the sizes of the virtual networks, and share nothing. The
primary comparison is the DVN's, of the average over all outputs; those of its variants are
secondary. Single levels and outputs are exploratory, without a verdict.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from dvn_tf.comparison.comparison import AVERAGE, SEPARATE, Comparison
from dvn_tf.comparison.resampling import interval, resampled_differences
from dvn_tf.comparison.statistics import CONFIDENCE, MIN_SEEDS, MarginTest, margin_test
from dvn_tf.errors import UserError
from dvn_tf.tasks import output_name

MARGIN = 1.0  # points of accuracy
_MOST = 100
PRIMARY, SECONDARY, EXPLORATORY = "primary", "secondary", "exploratory"
_ALL = "all outputs"
_OTHER_OUTPUTS = "no verdict (the outputs are not the same)"
_NO_SEED = "no verdict (no seed in common)"


@dataclasses.dataclass(frozen=True)
class OwnNetworkTest:
    """How a method's virtual networks compare to networks of their own.

    Attributes:
        role: `PRIMARY`, `SECONDARY` or `EXPLORATORY`.
        method: the method's key.
        title: what is averaged: "all outputs", "level 1 (25 %)" or "Task 1 (cifar10), 25 %".
        outputs: the (task, level) of each output that is averaged.
        seeds: those that both have.
        tests: how many tests share the error, by which the interval and p are corrected.
        test: of the differences in points; None if there are none.
        reason: why there are none, "" otherwise.
    """

    role: str
    method: str
    title: str
    outputs: tuple[tuple[str, int], ...]
    seeds: tuple[int, ...]
    tests: int
    test: MarginTest | None
    reason: str = ""

    @property
    def alpha(self) -> float:
        """Of either one-sided interval."""
        return (1 - CONFIDENCE) / self.tests

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval's ends in points; None where there is none."""
        if self.test is None or self.test.difference.half is None:
            return None
        mean, half = self.test.difference.mean, self.test.difference.half
        return mean - half, mean + half


def check_margin(margin: float) -> None:
    """Checks a margin in points of accuracy.

    Raises:
        UserError: if it is not above 0, or no number of points.
    """
    if not 0 < margin <= _MOST:
        raise UserError(
            f"a margin of {margin} points cannot be: give --margin a number above 0 and up to "
            f"{_MOST}, such as 1"
        )


def own_network_tests(comparison: Comparison, margin: float = MARGIN) -> list[OwnNetworkTest]:
    """Compares the DVN and each of its variants to networks of their own.

    Args:
        comparison: the runs.
        margin: how many points worse counts as not worse.

    Returns:
        The primary comparison, the secondary ones, and the exploratory ones by method. Empty
        without runs of `separate`, and without the DVN or a variant of it.
    """
    if not comparison.has_separate:
        return []
    methods = [*(["dvn"] if comparison.has_dvn else []), *comparison.variants]
    testable = [
        method in comparison.variants
        and _outputs(comparison, method) == _outputs(comparison, SEPARATE)
        and len(_shared_seeds(comparison, method)) >= MIN_SEEDS
        for method in methods
    ]
    found, exploratory = [], []
    for method in methods:
        primary = method == "dvn"
        role, tests = (PRIMARY, 1) if primary else (SECONDARY, max(1, sum(testable)))
        outputs, seeds = _outputs(comparison, method), _shared_seeds(comparison, method)
        every = OwnNetworkTest(role, method, _ALL, outputs, seeds, tests, None)
        if outputs != _outputs(comparison, SEPARATE) or not seeds:
            reason = _NO_SEED if outputs == _outputs(comparison, SEPARATE) else _OTHER_OUTPUTS
            found.append(dataclasses.replace(every, reason=reason))
            continue
        found.append(_tested(comparison, every, margin))
        for title, some in _parts(comparison, method, outputs):
            part = OwnNetworkTest(EXPLORATORY, method, title, some, seeds, 1, None)
            exploratory.append(_tested(comparison, part, margin))
    return found + exploratory


def resampled_intervals(
    comparison: Comparison, tests: Sequence[OwnNetworkTest]
) -> list[tuple[float, float] | None]:
    """The intervals of the same differences with seeds and test images resampled together.

    Args:
        comparison: the runs.
        tests: from `own_network_tests`.

    Returns:
        For each of them the ends in points; None without an interval by seed, or where a run has
        not kept which images its outputs classify correctly.
    """
    seeds = {one.method: one.seeds for one in tests if one.ends is not None}
    images = {method: _by_image(comparison, method, seeds[method]) for method in seeds}
    kept = [method for method, found in images.items() if found is not None]
    drawn = dict(zip(kept, resampled_differences([images[method] for method in kept]), strict=True))
    found = []
    for one in tests:
        if one.method not in drawn:
            found.append(None)
            continue
        outputs = _outputs(comparison, one.method)
        rows = [outputs.index(output) for output in one.outputs]
        found.append(interval(100 * drawn[one.method][rows].mean(axis=0), one.alpha))
    return found


def _tested(comparison: Comparison, one: OwnNetworkTest, margin: float) -> OwnNetworkTest:
    ours, theirs = (
        [sum(row) / len(row) for row in _rows(comparison, method, one)]
        for method in (one.method, SEPARATE)
    )
    return dataclasses.replace(one, test=margin_test(ours, theirs, margin, one.tests))


def _rows(comparison: Comparison, method: str, one: OwnNetworkTest) -> list[list]:
    table = comparison.exact_outputs.loc[method]
    return table.loc[[*one.seeds], [*one.outputs]].to_numpy().tolist()


def _outputs(comparison: Comparison, method: str) -> tuple[tuple[str, int], ...]:
    """The (task, level) of every output of a method."""
    tasks = comparison.tasks.index
    return tuple((task, level) for task in tasks for level in comparison.levels_of(method, task))


def _shared_seeds(comparison: Comparison, method: str) -> tuple[int, ...]:
    seeds = comparison.methods["seeds"]
    return tuple(seed for seed in seeds[method] if seed in seeds[SEPARATE])


def _parts(comparison: Comparison, method: str, outputs) -> Iterator[tuple[str, tuple]]:
    """Title and outputs of each level, and then of each output, without what is the same."""
    seen = {outputs}
    levels = sorted({level for _, level in outputs})
    for level in levels:
        some = tuple(output for output in outputs if output[1] == level)
        if some not in seen:
            seen.add(some)
            yield f"level {level} ({_sizes(comparison, method, level, AVERAGE)})", some
    for task, level in outputs:
        if ((task, level),) not in seen:
            title = comparison.tasks.at[task, "title"]
            yield (
                f"{title}, level {level} ({_sizes(comparison, method, level, title)})",
                ((task, level),),
            )


def _sizes(comparison: Comparison, method: str, level: int, title: str) -> str:
    """The size of a level, or of both methods' where they differ: "19 % : 25 %"."""
    sizes = [comparison.size(name, level, title) for name in (method, SEPARATE)]
    return " : ".join(dict.fromkeys(sizes))


def _by_image(comparison: Comparison, method: str, seeds) -> list[np.ndarray] | None:
    """For each task, how much better each output does on each image than its own network."""
    runs = comparison.outputs.drop_duplicates("run").set_index(["method", "seed"])["run"]
    pairs = [
        [comparison.correct.get(runs[name, seed]) for name in (method, SEPARATE)] for seed in seeds
    ]
    if any(correct is None for pair in pairs for correct in pair):
        return None
    return [
        np.array(
            [
                [
                    ours[name].astype(np.int8) - theirs[name].astype(np.int8)
                    for name in (output_name(task, level) for level in levels)
                ]
                for ours, theirs in pairs
            ]
        )
        for task in comparison.tasks.index
        for levels in [comparison.levels_of(method, task)]
    ]
