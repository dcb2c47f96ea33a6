"""Balanced and learned tables: permutations at every level, and the best ones among these."""

import collections
import functools
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvn_tf import table_rules
from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.methods import DVN
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.training import config_text, configuration
from dvn_tf.units import UnitPartition, UnitTable

RNG = random.Random(5)
# Some with many ties, some negative, some without.
AFFINITIES = {
    (name, count): [[draw() for _ in range(count)] for _ in range(count)]
    for name, draw in {
        "accuracies": lambda: RNG.randrange(20, 100) / 100,
        "few values": lambda: RNG.choice((0.1, 0.2, 0.3)),
        "any sign": lambda: RNG.uniform(-5, 5),
        "all equal": lambda: 0.7,
    }.items()
    for count in range(1, 7)
}


@functools.cache
def scenario(count, **settings):
    tasks = [Task(f"task{number}", "digits") for number in range(1, count + 1)]
    return Scenario("test", tasks, WideResNet(8, 1), **settings)


def losses_by_unit(table):
    """How many (task, level) use each unit."""
    counts = collections.Counter(unit for row in table.rows for units in row for unit in units)
    return [counts[unit] for unit in range(1, table.num_units + 1)]


def entered(table):
    """For each level, the units that enter there, one set a task."""
    rows = [[set(), *map(set, row)] for row in table.rows]
    return [
        [row[level] - row[level - 1] for row in rows] for level in range(1, table.num_levels + 1)
    ]


def best_orders(gain):
    """Task by task, the orders by trying all permutations: `gain[task][unit]`, from 0."""
    count = len(gain)
    orders = [[task] for task in range(count)]
    for _ in range(1, count):
        allowed = [
            units
            for units in itertools.permutations(range(count))  # in the order of the tie rule
            if all(unit not in order for unit, order in zip(units, orders, strict=True))
        ]
        best = max(allowed, key=lambda units: _total(gain, units))  # the first of the best
        orders = [[*order, unit] for order, unit in zip(orders, best, strict=True)]
    return tuple(tuple(unit + 1 for unit in order) for order in orders)


def _total(gain, units):
    return round(sum(gain[task][unit] for task, unit in enumerate(units)), 9)


# ---------------------------------------------------------------------------- balanced


@pytest.mark.parametrize(
    ("count", "levels"), [(k, levels) for k in range(2, 9) for levels in range(1, k + 1)]
)
def test_balanced_levels_are_permutations(count, levels):
    table = scenario(count, table_rule="balanced", num_levels=levels).table
    assert (table.num_tasks, table.num_levels, table.num_units) == (count, levels, count)
    for level, units in enumerate(entered(table), start=1):
        assert all(len(new) == 1 for new in units)
        assert set().union(*units) == set(range(1, count + 1))
        if level == 1:
            assert units == [{task} for task in range(1, count + 1)]
    for row in table.rows:
        assert [len(units) for units in row] == list(range(1, levels + 1))
        assert all(set(low) < set(high) for low, high in itertools.pairwise(row))
    assert losses_by_unit(table) == [levels * (levels + 1) // 2] * count


def test_the_paper_s_rule_is_not_balanced():
    assert losses_by_unit(scenario(4).table) == [9, 12, 11, 8]
    assert losses_by_unit(scenario(4, table_rule="balanced").table) == [10, 10, 10, 10]


def test_two_tasks_have_the_paper_s_table():
    assert scenario(2, table_rule="balanced").table == UnitTable.by_rule(2)


def test_four_tasks_by_hand():
    # At distance 1 only the neighbours 1, 2 and 3, 4 can be swapped without a third unit.
    assert table_rules.balanced_orders(4, 4) == (
        (1, 2, 3, 4),
        (2, 1, 4, 3),
        (3, 4, 1, 2),
        (4, 3, 2, 1),
    )


@pytest.mark.parametrize("count", range(1, 8))
def test_no_permutation_is_nearer(count):
    nearness = [[-abs(unit - task) for unit in range(count)] for task in range(count)]
    assert table_rules.balanced_orders(count, count) == best_orders(nearness)


@given(st.integers(1, 12), st.data())
def test_fewer_steps_are_the_first(count, data):
    steps = data.draw(st.integers(1, count))
    whole = table_rules.balanced_orders(count, count)
    assert table_rules.balanced_orders(count, steps) == tuple(order[:steps] for order in whole)


def test_the_largest_table_is_complete_and_soon_made():
    orders = table_rules.balanced_orders(256, 4)
    for units in zip(*orders, strict=True):
        assert sorted(units) == list(range(1, 257))


@pytest.mark.parametrize("rule", ["balanced", "learned"])
@pytest.mark.parametrize("sizes", [(2, 3, 5), (1, 1, 4), (5,), (3,), (2, 2)])
def test_levels_may_take_several_units(rule, sizes):
    settings = {"table_rule": rule, "level_sizes": sizes}
    if rule == "learned":
        settings["affinity"] = tuple(map(tuple, AFFINITIES["any sign", 5]))
    table = scenario(5, **settings).table
    assert all(tuple(map(len, row)) == sizes for row in table.rows)
    assert all(task in row[0] for task, row in enumerate(table.rows, start=1))
    assert len({*losses_by_unit(table)}) == 1


# ---------------------------------------------------------------------------- learned


@pytest.mark.parametrize("case", AFFINITIES, ids=str)
def test_no_permutation_has_more_affinity(case):
    affinity = AFFINITIES[case]
    assert table_rules.learned_orders(affinity, case[1]) == best_orders(affinity)


def test_rounding_decides_nothing():
    """0.1 + 0.2 is more than 0.3 in floating point, which must not break the tie."""
    affinity = [[0.0, 0.3, 0.1], [0.2, 0.0, 0.3], [0.0, 0.3, 0.0]]
    assert 0.1 + 0.2 + 0.3 > 0.3 + 0.3 + 0.0
    assert table_rules.learned_orders(affinity, 2) == ((1, 2), (2, 3), (3, 1))


def test_the_greatest_affinity_of_a_task_may_have_to_wait():
    affinity = ((0.9, 0.8, 0.7), (0.6, 0.9, 0.5), (0.9, 0.1, 0.9))
    # 2, 3, 1 gives 0.8 + 0.5 + 0.9; 3, 1, 2 only 0.7 + 0.6 + 0.1.
    table = scenario(3, table_rule="learned", affinity=affinity, num_levels=2).table
    assert table.rows == (((1,), (1, 2)), ((2,), (2, 3)), ((3,), (1, 3)))


# ---------------------------------------------------------------------------- settings

TWO = ((0.9, 0.5), (0.5, 0.9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"table_rule": "learned"}, "needs Scenario.affinity: measure it with"),
        ({"affinity": TWO}, "is for Scenario.table_rule 'learned', not 'paper'"),
        ({"affinity": TWO, "table_rule": "balanced"}, "'learned', not 'balanced'"),
        ({"table_rule": "balanced", "num_units": 3}, "as many units as tasks: 2, not 3"),
        ({"table_rule": "learned", "affinity": TWO, "num_units": 4}, "2, not 4"),
        ({"table_rule": "balanced", "rows": (((1,),), ((2,),))}, r"\(rows\) excludes .*balanced"),
        (
            {"table_rule": "learned", "affinity": TWO, "rows": (((1,),), ((2,),))},
            r"\(rows\) excludes .*'learned'",
        ),
        ({"table_rule": "learned", "affinity": TWO[:1]}, r"2 rows of 2 .* have \[2\]"),
        ({"table_rule": "learned", "affinity": (*TWO, TWO[0])}, r"have \[2, 2, 2\]"),
        ({"table_rule": "learned", "affinity": ((1.0, 0.5, 0.1), TWO[0])}, r"have \[3, 2\]"),
        ({"table_rule": "learned", "affinity": ((0.1, float("nan")), TWO[0])}, "not "),
        ({"table_rule": "learned", "affinity": 0.5}, "Scenario.affinity must be a list of lists"),
        ({"table_rule": "random"}, "must be 'paper', 'balanced' or 'learned', not 'random'"),
        ({"table_rule": "balanced", "num_levels": 3}, "3 levels need at least 3 units"),
        ({"table_rule": "balanced", "level_sizes": (2, 1)}, "must rise"),
        ({"table_rule": "balanced", "fractions": (0.5, 0.25, 0.25)}, "for 3: give one fraction"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(UserError, match=message) as error:
        scenario.__wrapped__(2, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings", [{"table_rule": "balanced"}, {"table_rule": "learned", "affinity": TWO}]
)
def test_a_sequence_keeps_the_paper_s_rule(settings):
    sequence = scenario(2, sequential=True, **settings)
    with pytest.raises(UserError, match=r"contradicts .*Scenario\.table_rule"):
        DVN().stages(sequence, epochs=1)
    assert len(DVN().stages(scenario(2, sequential=True), epochs=1)) == 2


def test_intervals_of_units_that_are_no_neighbours():
    table = scenario(4, table_rule="balanced").table
    partition = UnitPartition.even(4)
    assert table.units(2, 3) == (1, 2, 4)
    assert partition.intervals(16, table.units(2, 3)) == ((0, 8), (12, 16))


def test_the_gin_file_and_runs_of_earlier_versions():
    files = ["gin/j2_tiny.gin"]
    paper = configuration.read_experiment(files)
    experiment = configuration.read_experiment([*files, "gin/learning/balanced_table.gin"])
    assert experiment.method_name == "dvn_balanced"
    assert experiment.scenario.table == scenario(4, table_rule="balanced").table
    assert config_text.difference(paper.config, experiment.config)
    # What an earlier version wrote has neither setting.
    names = ("Scenario.table_rule", "Scenario.affinity")
    lines = paper.config.splitlines()
    before = [line for line in lines if not line.startswith(names)]
    assert len(before) == len(lines) - 2
    assert not config_text.difference("\n".join(before), paper.config)
