"""Means, intervals, paired tests and their power over seeds."""

import bisect
import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Student's interval over two seeds is 12.7 standard errors wide to either side, and one pair of
# lucky seeds makes it narrow. With fewer than three, the seeds themselves say all there is.
MIN_SEEDS = 3
_MOST_SEEDS = 10**6
_FEW_SEEDS = "no verdict (fewer than three seeds)"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        values: one for each seed.
        mean: their mean.
        half: half the width of the interval (Student's t); None with fewer than three seeds, and
            0 if all values are equal.
    """

    values: tuple[float, ...]
    mean: float
    half: float | None


def estimate(values: Sequence[float | Fraction], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of values, one for each seed, and its interval by Student's t.

    Args:
        values: at least one. Equal values are recognized exactly, so give fractions of images
            rather than floats.
        confidence: of the interval, from 0 to 1.
    """
    floats = tuple(float(value) for value in values)
    half = None
    if len(set(values)) == 1 and len(values) >= MIN_SEEDS:
        half = 0.0
    elif len(values) >= MIN_SEEDS:
        half = float(stats.t.ppf((1 + confidence) / 2, len(floats) - 1) * stats.sem(floats))
    return Estimate(floats, float(sum(values) / len(values)), half)


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """The difference of two methods over the seeds that both have.

    Attributes:
        difference: its mean, and the interval that the verdict goes by.
        p: of the paired t test, two-sided, corrected; None where it cannot be computed.
        reason: why it cannot, "" otherwise.
    """

    difference: Estimate
    p: float | None
    reason: str = ""

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.p is not None and abs(self.difference.mean) > self.difference.half


def paired_test(
    first: Sequence[Fraction], second: Sequence[Fraction], tests: int = 1
) -> PairedTest:
    """Tests whether two methods differ, with the seeds as pairs.

    A family of several tests is corrected after Bonferroni: each interval has the confidence
    1 - 0.05 / tests, so that all of them hold together at 95 %, and a difference is significant
    if its interval excludes 0. Holm's test would reject a little more, but no interval of the form
    "mean ± half" says the same as its verdict, and the reader sees the interval.

    Args:
        first: one value for each seed, exact.
        second: of the same seeds, in the same order.
        tests: how many tests the family has.
    """
    pairs = [a - b for a, b in zip(first, second, strict=True)]
    difference = estimate(pairs, 1 - (1 - CONFIDENCE) / tests)
    if len(pairs) < MIN_SEEDS:
        return PairedTest(difference, None, _FEW_SEEDS)
    if len(set(pairs)) == 1:
        return PairedTest(difference, None, _no_spread(pairs[0]))
    p = stats.ttest_1samp(np.array(difference.values), 0).pvalue
    return PairedTest(difference, float(min(1, tests * p)))


@dataclasses.dataclass(frozen=True)
class MarginTest:
    """Whether a method is worse than another by more than a margin, over the seeds of both.

    Attributes:
        difference: its mean, and the interval that the verdict goes by: each of its ends is the
            end of a one-sided interval.
        margin: in the unit of the values, above 0.
        p: of the paired t test, one-sided, corrected: how probable such values are, or still
            better ones, if the method is worse by the margin. None where it cannot be computed.
        reason: why it cannot, "" otherwise.
    """

    difference: Estimate
    margin: float
    p: float | None
    reason: str = ""

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the differences; None with fewer than three seeds."""
        if self.difference.half is None:
            return None
        return float(np.std(self.difference.values, ddof=1))

    @property
    def not_worse(self) -> bool:
        """Whether the interval lies above the margin."""
        return self.p is not None and self.difference.mean - self.difference.half > -self.margin

    @property
    def worse(self) -> bool:
        """Whether the interval lies below the margin."""
        return self.p is not None and self.difference.mean + self.difference.half < -self.margin


def margin_test(
    first: Sequence[Fraction],
    second: Sequence[Fraction],
    margin: float,
    tests: int = 1,
    alpha: float = 1 - CONFIDENCE,
) -> MarginTest:
    """Tests whether the first method is not worse than the second by more than a margin.

    A test for non-inferiority: what it rejects is that the first is worse by the margin or more.
    A family of several tests is corrected after Bonferroni, as in `paired_test`.

    Args:
        first: one value for each seed, exact.
        second: of the same seeds, in the same order.
        margin: how much worse counts as not worse, above 0.
        tests: how many tests the family has.
        alpha: of each one-sided test, before it is corrected.
    """
    pairs = [a - b for a, b in zip(first, second, strict=True)]
    difference = estimate(pairs, 1 - 2 * alpha / tests)
    if len(pairs) < MIN_SEEDS:
        return MarginTest(difference, margin, None, _FEW_SEEDS)
    if len(set(pairs)) == 1:
        return MarginTest(difference, margin, None, _no_spread(pairs[0]))
    p = stats.ttest_1samp(np.array(difference.values), -margin, alternative="greater").pvalue
    return MarginTest(difference, margin, float(min(1, tests * p)))


def margin_power(
    seeds: int,
    deviation: float,
    margin: float,
    true_difference: float = 0.0,
    alpha: float = 1 - CONFIDENCE,
) -> float:
    """How probably `margin_test` finds that a method is not worse, by the noncentral t.

    Args:
        seeds: how many, at least 2.
        deviation: the standard deviation of the paired difference, above 0.
        margin: see `margin_test`.
        true_difference: of the methods, in the same unit.
        alpha: of the one-sided test.
    """
    freedom = seeds - 1
    noncentrality = (margin + true_difference) * np.sqrt(seeds) / deviation
    return float(stats.nct.sf(stats.t.ppf(1 - alpha, freedom), freedom, noncentrality))


def seeds_needed(
    sd: float,
    margin: float,
    true_difference: float = 0.0,
    alpha: float = 1 - CONFIDENCE,
    power: float = 0.8,
) -> int | None:
    """The fewest seeds with which `margin_test` has a power.

    Args:
        sd: the standard deviation of the paired difference by seed.
        margin: see `margin_test`.
        true_difference: of the methods, in the same unit.
        alpha: of the one-sided test.
        power: the probability of finding that the method is not worse, below 1.

    Returns:
        The number, at least `MIN_SEEDS`; None if it is over a million, or if there is none since
        the method is worse by the margin or more.
    """
    if sd == 0:
        return MIN_SEEDS if margin + true_difference > 0 else None
    numbers = range(MIN_SEEDS, _MOST_SEEDS + 1)
    place = bisect.bisect_left(
        numbers, power, key=lambda seeds: margin_power(seeds, sd, margin, true_difference, alpha)
    )
    return numbers[place] if place < len(numbers) else None


def _no_spread(difference: float | Fraction) -> str:
    # Without spread the t statistic is 0/0 or infinite: neither says anything.
    same = "the same difference in every seed" if difference else "no difference in any seed"
    return f"no verdict ({same})"
