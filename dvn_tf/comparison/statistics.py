"""Means, intervals and paired tests over seeds."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Accuracies are fractions of whole images: smaller differences of differences are rounding.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: the mean.
        half: half the width of its 95 % interval (Student's t); None with one seed.
        count: the number of seeds.
    """

    mean: float
    half: float | None
    count: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values, one a seed, and its 95 % interval by Student's t.

    Args:
        values: at least one.
    """
    values = np.asarray(values, float)
    half = None
    if len(values) > 1:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    return Estimate(float(values.mean()), half, len(values))


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """The difference of two methods over the seeds that both have.

    Attributes:
        difference: its mean and interval; with no spread, the interval is left out.
        p: of the paired t test, two-sided; None where it cannot be computed.
        reason: why it cannot, "" otherwise.
    """

    difference: Estimate
    p: float | None
    reason: str = ""


def paired(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Tests whether two methods differ, with the seeds as pairs.

    Args:
        first: one value a seed.
        second: of the same seeds, in the same order.
    """
    differences = np.subtract(first, second)
    if len(differences) < 2:
        return PairedTest(estimate(differences), None, "one seed: nothing can be said")
    if np.ptp(differences) < _ROUNDING:
        # Without spread the t statistic is 0/0 or infinite: neither says anything.
        mean = Estimate(float(differences.mean()), None, len(differences))
        if abs(mean.mean) < _ROUNDING:
            return PairedTest(mean, None, "no difference in any seed")
        return PairedTest(mean, None, "the same difference in every seed: no test is possible")
    return PairedTest(estimate(differences), float(stats.ttest_rel(first, second).pvalue))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p values.

    Args:
        values: the p values; a None stays one and does not count.

    Returns:
        The corrected values in the same order, at most 1.
    """
    order = sorted((p, index) for index, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[index] = largest
    return corrected
