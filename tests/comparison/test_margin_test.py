"""Whether a method is not worse by more than a margin, against SciPy, and by simulation."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from dvn_tf.comparison import markdown, statistics

FIRST = [Fraction(n, 100) for n in (7959, 7922, 7883, 7941, 7975)]
SECOND = [Fraction(n, 100) for n in (8000, 8000, 8000, 7950, 7966)]


@pytest.mark.parametrize("tests", [1, 6])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_it_is_scipys_test_shifted_by_the_margin(margin, tests):
    found = statistics.margin_test(FIRST, SECOND, margin, tests)
    first, second = np.array(FIRST, float), np.array(SECOND, float)
    theirs = stats.ttest_rel(first + margin, second, alternative="greater")
    assert found.p == pytest.approx(min(1, tests * theirs.pvalue))
    # The lower end of the one-sided interval is that of the two-sided one at 90 %.
    one_sided = theirs.confidence_interval(1 - 0.05 / tests).low - margin
    two_sided = stats.ttest_rel(first, second).confidence_interval(1 - 0.1 / tests)
    low = found.difference.mean - found.difference.half
    assert low == pytest.approx(one_sided) == pytest.approx(two_sided.low)
    assert found.difference.mean + found.difference.half == pytest.approx(two_sided.high)
    assert found.deviation == pytest.approx(np.std(first - second, ddof=1))
    assert found.not_worse == (low > -margin)


@pytest.mark.parametrize(
    "noise, shift, not_worse, worse",
    [
        (0.1, 0, True, False),
        (0.1, -2, False, True),
        (0.1, -1, False, False),  # at the margin itself
        (3, 0, False, False),  # too much noise to say
        (3, -2, False, False),
    ],
)
def test_verdicts(noise, shift, not_worse, worse):
    steps = [Fraction(step) * Fraction(noise) for step in (-1, 1, 0, 1, -1)]
    first = [value + shift + step for value, step in zip(SECOND, steps, strict=True)]
    found = statistics.margin_test(first, SECOND, 1.0)
    assert (found.not_worse, found.worse) == (not_worse, worse)


@settings(deadline=None)
@given(
    total=st.integers(20, 10_000),
    tests=st.integers(1, 7),
    margin=st.floats(0.01, 10),
    seeds=st.integers(3, 8),
    spread=st.floats(0.001, 1),
    drawn=st.data(),
)
def test_the_printed_interval_is_the_one_that_the_verdict_goes_by(
    total, tests, margin, seeds, spread, drawn
):
    counts = st.lists(st.integers(0, round(spread * total)), min_size=seeds, max_size=seeds)
    ours, theirs = drawn.draw(counts), drawn.draw(counts)
    assume(len({a - b for a, b in zip(ours, theirs, strict=True)}) > 1)
    points = [[Fraction(100 * count, total) for count in counts] for counts in (ours, theirs)]
    floats = np.array(points, float)
    corrected = tests * stats.ttest_rel(floats[0] + margin, floats[1], alternative="greater").pvalue
    assume(abs(corrected - 0.05) > 1e-9)

    found = statistics.margin_test(*points, margin, tests)
    assert found.not_worse == (corrected < 0.05) == (found.p < 0.05)
    assert not (found.not_worse and found.worse)
    mean, half = found.difference.mean, found.difference.half
    printed = markdown.bounds(mean - half, mean + half, -margin)
    low, high = map(float, printed.strip("[]").split(", "))
    assert found.not_worse == (low > -margin)
    assert found.worse == (high < -margin)


@pytest.mark.parametrize(
    "first, second, reason",
    [
        ([90], [89], "fewer than three seeds"),
        ([90, 91], [89, 80], "fewer than three seeds"),
        ([90, 91, 93], [90, 91, 93], "no difference in any seed"),
        ([90, 91, 93], [80, 81, 83], "the same difference in every seed"),
    ],
)
def test_what_no_test_can_say(first, second, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.margin_test(first, second, 1.0)
    assert found.p is None and not found.not_worse and not found.worse
    assert found.reason == f"no verdict ({reason})"


@pytest.mark.parametrize("effect, seeds", [(0.2, 156), (0.5, 27), (0.8, 12), (1.0, 8)])
def test_seeds_are_those_of_power_tables(effect, seeds):
    """Cohen's d of a one-sample t test, one-sided at 0.05, power 0.8 (G*Power, statsmodels)."""
    assert statistics.seeds_needed(1 / effect, 1.0) == seeds
    # Half a point worse and a margin of one leave half a point.
    assert statistics.seeds_needed(0.5 / effect, 1.0, true_difference=-0.5) == seeds
    assert statistics.margin_power(seeds, 1 / effect, 1.0) >= 0.8
    assert statistics.margin_power(seeds - 1, 1 / effect, 1.0) < 0.8


@pytest.mark.parametrize("sd, true_difference", [(0.38, -0.3), (1.0, 0.0), (1.5, 0.2)])
def test_power_is_how_often_the_test_finds_it(sd, true_difference):
    seeds, repeats = 6, 40_000
    drawn = np.random.default_rng(1).normal(true_difference, sd, (repeats, seeds))
    theirs = stats.ttest_1samp(drawn, -1.0, axis=1, alternative="greater")
    expected = statistics.margin_power(seeds, sd, 1.0, true_difference)
    assert np.mean(theirs.pvalue < 0.05) == pytest.approx(expected, abs=0.01)


def test_what_no_number_of_seeds_can_show():
    assert statistics.seeds_needed(0.5, 1.0, true_difference=-1.0) is None
    assert statistics.seeds_needed(0.5, 1.0, true_difference=-1.5) is None
    assert statistics.seeds_needed(1e5, 1.0) is None
    assert statistics.seeds_needed(0.0, 1.0) == statistics.seeds_needed(1e-9, 1.0) == 3
    assert statistics.seeds_needed(0.0, 1.0, true_difference=-1.0) is None
    # The pilot of three seeds that the plan speaks of: -0.41, -0.78, -1.17.
    sd = float(np.std([-0.41, -0.78, -1.17], ddof=1))
    assert statistics.seeds_needed(sd, 1.0) == 3
    assert statistics.seeds_needed(sd, 1.0, true_difference=-0.5) == 6
