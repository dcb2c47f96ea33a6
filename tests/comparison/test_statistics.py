"""Means, intervals and paired tests, against SciPy called directly."""

import warnings

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import statistics

FIRST = [94.61, 95.02, 94.33, 94.87, 94.75]
SECOND = [94.42, 94.51, 94.40, 94.21, 94.66]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_interval_is_students(count):
    values = np.array(FIRST[:count])
    found = statistics.estimate(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.count == count
    np.testing.assert_allclose((found.mean - found.half, found.mean + found.half), (low, high))


def test_one_seed_has_no_interval():
    assert statistics.estimate([94.5]) == statistics.Estimate(94.5, None, 1)


def test_paired_test_is_scipys():
    found = statistics.paired(FIRST, SECOND)
    theirs = stats.ttest_rel(FIRST, SECOND)
    interval = theirs.confidence_interval(0.95)
    assert found.p == theirs.pvalue
    assert found.difference.mean == pytest.approx(np.mean(np.subtract(FIRST, SECOND)))
    assert found.difference.half == pytest.approx((interval.high - interval.low) / 2)
    # The pairs matter: the same values in another order give another p.
    assert statistics.paired(FIRST, SECOND[::-1]).p != pytest.approx(found.p)


@pytest.mark.parametrize(
    "first, second, mean, reason",
    [
        ([90.0], [89.0], 1.0, "one seed: nothing can be said"),
        ([90.0, 91.0], [90.0, 91.0], 0.0, "no difference in any seed"),
        # 0.3 - 0.1 and 0.2 - 0.0 are not equal in floating point.
        ([0.3, 0.2, 0.7], [0.1, 0.0, 0.5], 0.2, "the same difference in every seed"),
    ],
)
def test_what_no_test_can_say(first, second, mean, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.paired(first, second)
    assert found.p is None
    assert found.difference.mean == pytest.approx(mean)
    assert found.difference.half is None
    assert found.reason.startswith(reason)


def test_holm_by_hand():
    # The smallest of four counts four times, the next three times; never below the one before.
    found = statistics.holm([0.04, None, 0.01, 0.011, 0.5])
    assert found == [pytest.approx(0.08), None, pytest.approx(0.04), pytest.approx(0.04), 0.5]
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []
