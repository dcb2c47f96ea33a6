"""The tables of the paper, literally, and what must hold for any other."""

import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvn_tf import units as units_module
from dvn_tf.errors import UserError
from dvn_tf.units import UnitTable


def entry_order(table, task):
    """The units of a task in the order in which its levels take them, as a string."""
    taken, order = set(), ""
    for level in range(1, table.num_levels + 1):
        new = set(table.units(task, level)) - taken
        order += "".join(map(str, sorted(new)))
        taken |= new
    return order


def is_interval(units):
    return list(units) == list(range(units[0], units[-1] + 1))


# ---------------------------------------------------------------------------- the paper's rule


def test_three_tasks_give_equation_3():
    assert UnitTable.by_rule(3).rows == (
        ((1,), (1, 2), (1, 2, 3)),  # [W1], [W1, W2], [W1, W2, W3]
        ((2,), (1, 2), (1, 2, 3)),  # [W2], [W2, W1], [W2, W1, W3]
        ((3,), (2, 3), (1, 2, 3)),  # [W3], [W3, W2], [W3, W2, W1]
    )


@pytest.mark.parametrize(
    ("num_tasks", "orders"),
    [
        (1, ["1"]),
        (2, ["12", "21"]),
        (3, ["123", "213", "321"]),
        (4, ["1234", "2134", "3241", "4321"]),
        (5, ["12345", "21345", "32415", "43521", "54321"]),
    ],
)
def test_orders_of_entry(num_tasks, orders):
    table = UnitTable.by_rule(num_tasks)
    assert [entry_order(table, task) for task in range(1, num_tasks + 1)] == orders


def test_entry_levels_of_four_tasks():
    table = UnitTable.by_rule(4)
    entry = [[table.entry_level(unit, task) for unit in range(1, 5)] for task in range(1, 5)]
    assert entry == [[1, 2, 3, 4], [2, 1, 3, 4], [4, 2, 1, 3], [4, 3, 2, 1]]


def test_gradients_per_unit_of_four_tasks_are_balanced():
    table = UnitTable.by_rule(4)
    gradients = [
        sum(4 - table.entry_level(unit, task) + 1 for task in range(1, 5)) for unit in range(1, 5)
    ]
    assert gradients == [9, 12, 11, 8]


def test_fewer_levels_than_units():
    table = UnitTable.by_rule(4, num_levels=2)
    assert table.rows == (
        ((1,), (1, 2)),
        ((2,), (1, 2)),
        ((3,), (2, 3)),
        ((4,), (3, 4)),
    )
    assert table.num_units == 4
    assert table.entry_level(unit=4, task=1) is None


def test_levels_of_several_units_are_windows_as_in_j3():
    table = UnitTable.by_rule(3, num_units=4, level_sizes=(2, 3, 4))
    assert table.rows == (
        ((1, 2), (1, 2, 3), (1, 2, 3, 4)),
        ((2, 3), (1, 2, 3), (1, 2, 3, 4)),
        ((3, 4), (2, 3, 4), (1, 2, 3, 4)),
    )
    assert all(is_interval(units) for row in table.rows for units in row)


@pytest.mark.parametrize(
    ("num_tasks", "num_units", "lowest"),
    [(2, 4, [1, 4]), (3, 5, [1, 3, 5]), (4, 2, [1, 1, 2, 2]), (1, 3, [1]), (2, 1, [1, 1])],
)
def test_lowest_levels_spread_over_the_units_where_tasks_are_more_or_fewer(
    num_tasks, num_units, lowest
):
    table = UnitTable.by_rule(num_tasks, num_units)
    assert table.num_units == table.num_levels == num_units
    assert [table.units(task, 1) for task in range(1, num_tasks + 1)] == [(i,) for i in lowest]


def test_neighbouring_levels_may_be_equal():
    """Eq. 4 asks that h^p is a subset of h^q for p <= q, which equal levels are."""
    rows = (((1,), (1,), (1, 2)), ((2,), (1, 2), (1, 2)))
    table = UnitTable(rows)
    assert table.rows == rows
    assert table.entry_level(unit=2, task=1) == 3
    assert table.entry_level(unit=1, task=2) == 2
    assert UnitTable.by_rule(2, level_sizes=(1, 1, 2)).rows == (
        ((1,), (1,), (1, 2)),
        ((2,), (2,), (1, 2)),
    )


def test_two_tasks_of_four_units():
    assert UnitTable.by_rule(2, num_units=4).rows == (
        ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        ((4,), (3, 4), (2, 3, 4), (1, 2, 3, 4)),
    )


def greedy_orders(num_tasks):
    """Rules (i) to (iii) of section 3.2, step by step."""
    for task in range(1, num_tasks + 1):
        order = [task]
        while len(order) < num_tasks:
            free = [unit for unit in range(1, num_tasks + 1) if unit not in order]
            nearest = min(abs(unit - task) for unit in free)
            order.append(next(unit for unit in free if abs(unit - task) == nearest))
        yield order


@given(st.integers(1, 12))
def test_the_rule_equals_its_step_by_step_reading(num_tasks):
    expected = tuple(
        tuple(tuple(sorted(order[:size])) for size in range(1, num_tasks + 1))
        for order in greedy_orders(num_tasks)
    )
    assert UnitTable.by_rule(num_tasks).rows == expected


@st.composite
def rules(draw):
    num_units = draw(st.integers(1, 9))
    sizes = draw(st.sets(st.integers(1, num_units), min_size=1))
    return draw(st.integers(1, 9)), num_units, tuple(sorted(sizes))


@given(rules())
def test_every_rule_gives_nested_intervals_of_the_sizes_asked_for(rule):
    num_tasks, num_units, sizes = rule
    table = UnitTable.by_rule(num_tasks, num_units, level_sizes=sizes)
    assert (table.num_tasks, table.num_units, table.num_levels) == (
        num_tasks,
        num_units,
        len(sizes),
    )
    for row in table.rows:
        assert tuple(len(units) for units in row) == sizes
        assert all(is_interval(units) for units in row)
        assert all(set(low) < set(high) for low, high in itertools.pairwise(row))
        assert all(1 <= unit <= num_units for units in row for unit in units)


@given(rules())
def test_the_first_and_last_task_of_every_rule_start_at_the_ends(rule):
    num_tasks, num_units, sizes = rule
    table = UnitTable.by_rule(num_tasks, num_units, level_sizes=sizes)
    starts = [row[0][0] for row in table.rows]
    assert starts == sorted(starts)
    assert starts[0] == 1
    if num_tasks > 1:
        assert table.rows[-1][0][-1] == num_units


@given(rules())
def test_entry_level_is_the_first_level_with_the_unit(rule):
    num_tasks, num_units, sizes = rule
    table = UnitTable.by_rule(num_tasks, num_units, level_sizes=sizes)
    for task, unit in itertools.product(range(1, num_tasks + 1), range(1, num_units + 1)):
        with_unit = [level for level, units in enumerate(table.rows[task - 1], 1) if unit in units]
        assert table.entry_level(unit, task) == (with_unit[0] if with_unit else None)


# ---------------------------------------------------------------------------- other tables


def test_prefix_table_is_nestednets():
    table = UnitTable.prefix(3)
    assert table.rows == (((1,),), ((1, 2),), ((1, 2, 3),))
    assert (table.num_tasks, table.num_levels, table.num_units) == (3, 1, 3)


def test_explicit_tables_keep_units_in_channel_order():
    table = UnitTable([[[3, 1], [3, 2, 1]], [[2], [4, 2]]])
    assert table.rows == (((1, 3), (1, 2, 3)), ((2,), (2, 4)))
    assert table.num_units == 4
    assert table.entry_level(unit=4, task=1) is None
    assert table.entry_level(unit=4, task=2) == 2


def test_explicit_table_may_leave_units_unused():
    assert UnitTable((((1,),),), num_units=2).num_units == 2


@pytest.mark.parametrize(
    ("rows", "num_units", "message"),
    [
        ((), None, "at least one task"),
        (((),), None, "at least one task with at least one level"),
        ((((1,),), ()), None, "at least one task with at least one level"),
        ((((),)), None, "at least one task"),
        ((((),),), None, "task 1, level 1 of the table uses no unit"),
        ((((1,), ()),), None, "task 1, level 2 of the table uses no unit"),
        ((((1,), (1, 2)), ((2,),)), None, r"\[2, 1\] levels"),
        ((((1,), (2,)),), None, "must be nested"),
        ((((1,), (1, 2)), ((2,), (1, 3))), None, "task 2, level 2 .* must be nested"),
        ((((3,),),), 2, r"uses units \(3,\); the network has units 1..2"),
        ((((0, 1),),), None, r"uses units \(0, 1\)"),
        ((((-1,),),), 2, r"uses units \(-1,\)"),
        ((((1, 1),),), None, r"names a unit twice: \(1, 1\)"),
        (((1, 2),), None, "a table is a sequence of rows"),
        (7, None, "a table is a sequence of rows"),
        ((((1.5,),),), None, "a table is a sequence of rows"),
        (((("a",),),), None, "a table is a sequence of rows"),
    ],
)
def test_bad_tables_are_refused(rows, num_units, message):
    with pytest.raises(UserError, match=message):
        UnitTable(rows, num_units)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_tasks": 0}, "needs tasks and units"),
        ({"num_tasks": 2, "num_units": 0}, "needs tasks and units"),
        ({"num_tasks": 2, "num_levels": 3}, "3 levels need at least 3 units"),
        ({"num_tasks": 2, "num_levels": 0}, "at least one level"),
        ({"num_tasks": 2, "level_sizes": ()}, "at least one level"),
        (
            {"num_tasks": 2, "level_sizes": (1, 2, 3)},
            "must rise .* to at most 2 units",
        ),
        ({"num_tasks": 4, "level_sizes": (3, 2)}, "must rise"),
        ({"num_tasks": 4, "level_sizes": (0, 2)}, "must rise"),
        ({"num_tasks": 4, "level_sizes": (1, 5)}, "must rise"),
        ({"num_tasks": 4, "level_sizes": (1, 2), "num_levels": 3}, "do not name 3 levels"),
    ],
)
def test_bad_rules_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        UnitTable.by_rule(**arguments)


@pytest.mark.parametrize(("task", "level"), [(0, 1), (3, 1), (1, 0), (1, 3)])
def test_no_such_task_or_level(task, level):
    with pytest.raises(UserError, match=f"no task {task}, level {level}"):
        UnitTable.by_rule(2).units(task, level)


def test_docstring_examples():
    results = doctest.testmod(units_module)
    assert results.attempted
    assert not results.failed
