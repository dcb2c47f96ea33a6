"""Means, intervals and paired tests, against SciPy called directly."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from dvn_tf.comparison import markdown, statistics

FIRST = [Fraction(n, 100) for n in (9461, 9502, 9433, 9487, 9475)]
SECOND = [Fraction(n, 100) for n in (9442, 9451, 9440, 9421, 9466)]
SAME = "the same difference in every seed"


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("confidence", [0.95, 0.9875])
def test_interval_is_students(count, confidence):
    values = FIRST[:count]
    found = statistics.estimate(values, confidence)
    floats = np.array(values, float)
    low, high = stats.ttest_1samp(floats, 0.0).confidence_interval(confidence)
    assert found.values == tuple(floats)
    np.testing.assert_allclose((found.mean - found.half, found.mean + found.half), (low, high))


def test_fewer_than_three_seeds_have_no_interval():
    assert statistics.estimate([94.5]) == statistics.Estimate((94.5,), 94.5, None)
    assert statistics.estimate([94.5, 95.5]) == statistics.Estimate((94.5, 95.5), 95.0, None)


def test_paired_test_is_scipys():
    found = statistics.paired_test(FIRST, SECOND)
    first, second = np.array(FIRST, float), np.array(SECOND, float)
    theirs = stats.ttest_rel(first, second)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.difference.mean == pytest.approx(np.mean(first - second))
    assert found.difference.half == pytest.approx((interval.high - interval.low) / 2)
    # The pairs matter: the same values in another order give another p.
    assert statistics.paired_test(FIRST, SECOND[::-1]).p != pytest.approx(found.p)


@pytest.mark.parametrize("tests", [2, 7])
def test_a_family_is_corrected_after_bonferroni(tests):
    alone, one_of = (statistics.paired_test(FIRST, SECOND, number) for number in (1, tests))
    assert one_of.p == pytest.approx(tests * alone.p)
    theirs = stats.ttest_rel(np.array(FIRST, float), np.array(SECOND, float))
    interval = theirs.confidence_interval(1 - 0.05 / tests)
    assert one_of.difference.half == pytest.approx((interval.high - interval.low) / 2)
    assert statistics.paired_test(FIRST, SECOND, 10**6).p == 1


@pytest.mark.parametrize(
    "first, second, mean, half, reason",
    [
        ([90], [89], 1.0, None, "fewer than three seeds"),
        ([90, 91], [89, 80], 6.0, None, "fewer than three seeds"),
        ([90, 91, 93], [90, 91, 93], 0.0, 0.0, "no difference in any seed"),
        ([Fraction(n, 900) for n in (3, 7, 800)], [Fraction(n, 900) for n in (1, 5, 798)],
         2 / 900, 0.0, SAME),
    ],
)  # fmt: skip
def test_what_no_test_can_say(first, second, mean, half, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.paired_test(first, second)
    assert found.p is None and not found.significant
    assert found.difference.mean == pytest.approx(mean)
    assert found.difference.half == half
    assert found.reason == f"no verdict ({reason})"


@settings(deadline=None)
@given(total=st.integers(1, 100_000), seeds=st.integers(3, 6), drawn=st.data())
def test_equal_differences_are_recognized_exactly(total, seeds, drawn):
    shift = drawn.draw(st.integers(0, total))
    counts = st.lists(st.integers(shift, total), min_size=seeds, max_size=seeds)
    ours = [Fraction(count, total) for count in drawn.draw(counts)]
    theirs = [value - Fraction(shift, total) for value in ours]
    found = statistics.paired_test(ours, theirs)
    assert found.p is None and found.difference.half == 0
    # One image more or less, in one seed, is a difference of differences, however small.
    theirs[0] += Fraction(1, total) if theirs[0] < 1 else -Fraction(1, total)
    other = statistics.paired_test(ours, theirs)
    assert other.p is not None and other.difference.half > 0


@settings(deadline=None)
@given(
    total=st.integers(20, 10_000),
    tests=st.integers(1, 7),
    seeds=st.integers(3, 8),
    spread=st.floats(0.001, 1),
    drawn=st.data(),
)
def test_the_printed_interval_is_the_one_that_the_verdict_goes_by(
    total, tests, seeds, spread, drawn
):
    counts = st.lists(st.integers(0, round(spread * total)), min_size=seeds, max_size=seeds)
    ours, theirs = drawn.draw(counts), drawn.draw(counts)
    differences = 100 * (np.array(ours) - np.array(theirs)) / total
    assume(len({*(a - b for a, b in zip(ours, theirs, strict=True))}) > 1)
    corrected = tests * stats.ttest_rel(differences, np.zeros(seeds)).pvalue
    assume(abs(corrected - 0.05) > 1e-9)

    points = [[Fraction(100 * count, total) for count in counts] for counts in (ours, theirs)]
    found = statistics.paired_test(*points, tests)
    assert found.significant == (corrected < 0.05) == (found.p < 0.05)
    mean, half = markdown.with_interval(found.difference, "+").split(" ± ")
    assert found.significant == (abs(float(mean)) > float(half))
    p = markdown.p_value(found.p, 0.05)
    assert found.significant == (p == "< 0.001" or float(p) < 0.05)


def test_a_narrow_verdict_is_seen_in_the_digits():
    assert markdown.with_interval(statistics.Estimate((), 0.3041, 0.3039), "+") == (
        "+0.3041 ± 0.3039"
    )
    assert markdown.with_interval(statistics.Estimate((), 0.3039, 0.3041), "+") == "+0.30 ± 0.30"
    assert [markdown.p_value(p, 0.05) for p in (0.04996, 0.05, 0.0004, float("nan"))] == [
        "0.04996", "0.050", "< 0.001", "—",
    ]  # fmt: skip


def test_how_seeds_are_printed():
    values = [Fraction(1, 3), Fraction(-1, 900)]
    assert markdown.with_interval(statistics.estimate(values), "+") == "+0.33, +0.00"
    assert (
        markdown.with_interval(statistics.estimate([95.0] * 3), unit=" %") == "95.00 % (every seed)"
    )
