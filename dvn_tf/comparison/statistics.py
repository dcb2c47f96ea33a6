"""Means, intervals and paired tests over seeds."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Student's interval over two seeds is 12.7 standard errors wide to either side, and one pair of
# lucky seeds makes it narrow. With fewer than three, the seeds themselves say all there is.
MIN_SEEDS = 3


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
        return PairedTest(difference, None, "no verdict (fewer than three seeds)")
    if len(set(pairs)) == 1:
        # Without spread the t statistic is 0/0 or infinite: neither says anything.
        reason = "the same difference in every seed" if pairs[0] else "no difference in any seed"
        return PairedTest(difference, None, f"no verdict ({reason})")
    p = stats.ttest_1samp(np.array(difference.values), 0).pvalue
    return PairedTest(difference, float(min(1, tests * p)))
