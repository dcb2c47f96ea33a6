"""Partitions of channels into units: the paper's, and what must hold for any other."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvn_tf.errors import UserError
from dvn_tf.units import UnitPartition


def test_even_partition_cuts_contiguous_equal_parts():
    partition = UnitPartition.even(4)
    assert partition.num_units == 4
    assert partition.bounds(64) == ((0, 16), (16, 32), (32, 48), (48, 64))


def test_uneven_partition_rounds_its_edges():
    partition = UnitPartition((0.5, 0.3, 0.2))
    assert partition.bounds(10) == ((0, 5), (5, 8), (8, 10))
    assert partition.bounds(16) == ((0, 8), (8, 13), (13, 16))
    assert UnitPartition.even(3).bounds(16) == ((0, 5), (5, 11), (11, 16))


def test_intervals_join_neighbours():
    partition = UnitPartition.even(4)
    assert partition.intervals(16, (2, 3)) == ((4, 12),)
    assert partition.intervals(16, (1, 3)) == ((0, 4), (8, 12))
    assert partition.intervals(16, (4, 1, 2)) == ((0, 8), (12, 16))
    assert partition.intervals(16, (1, 2, 3, 4)) == ((0, 16),)
    assert partition.intervals(3, None) == ((0, 3),)  # not cut: no unit needs a channel


def test_width_counts_the_channels_of_units():
    partition = UnitPartition((0.5, 0.3, 0.2))
    assert [partition.width(10, units) for units in [(1,), (2,), (1, 3), None]] == [5, 3, 7, 10]


def test_shares_of_parameters_of_j1_and_j2():
    halves = UnitPartition.by_parameters((1 / 2, 1))
    assert halves.fractions == pytest.approx((math.sqrt(1 / 2), 1 - math.sqrt(1 / 2)))
    quarters = UnitPartition.by_parameters((1 / 4, 2 / 4, 3 / 4, 1))
    assert tuple(itertools.accumulate(quarters.fractions)) == pytest.approx(
        (0.5, math.sqrt(0.5), math.sqrt(0.75), 1)
    )
    # Channels of PackNet+ and NestedNet in a layer of 64: sqrt(j/4) * 64 = 32, 45.25, 55.4, 64.
    assert quarters.bounds(64) == ((0, 32), (32, 45), (45, 55), (55, 64))


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((), "at least one unit"),
        ((0.5, 0.0, 0.5), "must be positive"),
        ((1.5, -0.5), "must be positive"),
        ((math.nan, 0.5), r"must be a list of finite numbers, not \(nan, 0.5\)"),
        ((0.5, 0.4), "sum to 0.9"),
        ((0.5, 0.6), "sum to 1.1"),
        ((math.inf, 0.5), r"must be a list of finite numbers, not \(inf, 0.5\)"),
    ],
)
def test_bad_fractions_are_refused(fractions, message):
    with pytest.raises(UserError, match=message):
        UnitPartition(fractions)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((0.5, 0.9), "sum to"),
        ((0.5, 0.25, 1), "must be positive"),
        ((0.5, 0.5, 1), "must be positive"),
        ((-0.5, 1), "must be positive"),
        ((), "at least one unit"),
    ],
)
def test_bad_shares_of_parameters_are_refused(shares, message):
    with pytest.raises(UserError, match=message):
        UnitPartition.by_parameters(shares)


def test_no_units_are_refused():
    with pytest.raises(UserError, match="at least one unit"):
        UnitPartition.even(0)


def test_unit_without_a_channel_is_refused():
    with pytest.raises(UserError, match="unit 2 gets none of a layer's 16 channels"):
        UnitPartition((0.5, 0.02, 0.48)).bounds(16)
    with pytest.raises(UserError, match="gets none of a layer's 3 channels"):
        UnitPartition.even(4).bounds(3)


fractions_of_units = st.lists(st.integers(1, 20), min_size=1, max_size=8).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@given(fractions_of_units, st.integers(1, 600))
def test_bounds_cover_the_channels_without_gap_or_overlap(fractions, channels):
    partition = UnitPartition(fractions)
    try:
        bounds = partition.bounds(channels)
    except UserError:
        assert min(fractions) * channels <= 1 + 1e-9  # refused for less than a channel only
        return
    covered = [channel for start, stop in bounds for channel in range(start, stop)]
    assert covered == list(range(channels))
    for fraction, (start, stop) in zip(fractions, bounds, strict=True):
        assert stop > start
        assert abs((stop - start) - fraction * channels) <= 1 + 1e-9


@given(fractions_of_units, st.integers(200, 600), st.data())
def test_intervals_hold_exactly_the_units_channels(fractions, channels, data):
    partition = UnitPartition(fractions)
    units = data.draw(st.sets(st.integers(1, len(fractions)), min_size=1))
    bounds = partition.bounds(channels)
    expected = [channel for unit in sorted(units) for channel in range(*bounds[unit - 1])]
    intervals = partition.intervals(channels, tuple(units))
    assert [channel for start, stop in intervals for channel in range(start, stop)] == expected
    assert all(a[1] < b[0] for a, b in itertools.pairwise(intervals))  # neighbours are joined
    assert partition.width(channels, tuple(units)) == len(expected)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6, unique=True))
def test_shares_of_parameters_are_squares_of_channels(parts):
    cumulative = [share / max(parts) for share in sorted(parts)]
    partition = UnitPartition.by_parameters(cumulative)
    squares = [edge**2 for edge in itertools.accumulate(partition.fractions)]
    assert squares == pytest.approx(cumulative)


def test_intervals_of_a_concatenation_count_on_from_layer_to_layer():
    halves = UnitPartition.even(2)
    assert halves.intervals((8, 4), (2,)) == ((4, 8), (10, 12))
    assert halves.intervals((8, 4), (1,)) == ((0, 4), (8, 10))
    assert halves.intervals((8, 4), (1, 2)) == halves.intervals((8, 4), None) == ((0, 12),)
    assert halves.width((8, 4), (2,)) == 6
    gaps = UnitPartition((0.5, 0.25, 0.25))
    assert gaps.intervals((8, 4), (1, 3)) == ((0, 4), (6, 10), (11, 12))
    assert gaps.intervals((8,), (2,)) == gaps.intervals(8, (2,))
