"""Rules for unit tables: in which order do the units enter the levels of each task?

Pure Python and NumPy, and the same table for the same settings. `dvn_tf.units` has the tables
themselves. Tasks and units are counted from 1.

paper_orders      section 3.2: the nearest unit first
balanced_orders   the nearest unit first, among tables that use every unit equally often
learned_orders    the unit whose features serve the task best first
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from dvn_tf.errors import UserError, shown
from dvn_tf.settings import checked
from dvn_tf.unit_limits import check_limit, checked_numbers

PAPER, BALANCED, LEARNED = TABLE_RULES = ("paper", "balanced", "learned")
AFFINITY_LIMIT = 1_000  # in absolute value; shares and percentages are far below

Orders = tuple[tuple[int, ...], ...]  # for each task, the units as they enter
_MILLION = 1_000_000  # affinities are compared by the millionth


def checked_sizes(
    num_tasks: int,
    num_units: int | None = None,
    num_levels: int | None = None,
    level_sizes: Sequence[int] | None = None,
) -> tuple[int, int, tuple[int, ...]]:
    """The size of a table, checked; arguments and errors as for `UnitTable.by_rule`.

    Returns:
        The number of tasks, the number of units, and the number of units of every level.
    """
    num_tasks = checked(int, num_tasks, "the number of tasks")
    num_units = num_tasks if num_units is None else num_units
    num_units = checked(int, num_units, "the number of units")
    num_levels = checked(int | None, num_levels, "the number of levels")
    check_limit(max(num_tasks, num_units, num_levels or 0), "tasks, units and levels")
    if num_tasks < 1 or num_units < 1:
        raise UserError(f"a table needs tasks and units, not {num_tasks} and {num_units}")
    given = level_sizes is not None
    if not given:
        level_sizes = range(1, (num_units if num_levels is None else num_levels) + 1)
    sizes = checked_numbers(int, level_sizes, "the level sizes")
    if given and num_levels not in (None, len(sizes)):
        raise UserError(f"level_sizes {shown(sizes)} do not name {num_levels} levels")
    if not sizes:
        raise UserError("a table needs at least one level")
    if num_levels is not None and num_levels > num_units:
        raise UserError(
            f"{len(sizes)} levels need at least {len(sizes)} units, but there are {num_units}: "
            "use more units or fewer levels"
        )
    nested = all(low <= high for low, high in itertools.pairwise(sizes))
    if sizes[0] < 1 or sizes[-1] > num_units or not nested:
        raise UserError(
            f"level sizes {sizes} must rise from at least 1 to at most {num_units} units"
        )
    return num_tasks, num_units, sizes


def rows_by_orders(orders: Orders, sizes: Sequence[int]) -> tuple[Orders, ...]:
    """The rows of a table whose levels take the first units of each task's order."""
    return tuple(tuple(order[:size] for size in sizes) for order in orders)


def paper_orders(num_tasks: int, num_units: int, window: int) -> Orders:
    """The paper's rule, see `UnitTable.by_rule`; level 1 has `window` units."""
    return tuple(
        _units_by_distance(task, num_tasks, num_units, window) for task in range(num_tasks)
    )


def balanced_orders(num_tasks: int, steps: int) -> Orders:
    """Orders in which the units of every step are a permutation of all units over the tasks.

    With as many units as tasks, every unit then enters as many tasks at a step as any other, so
    that every unit has equally many losses (task, level); the paper's rule gives 9, 12, 11 and 8
    for four tasks. Step 1 of task j is unit j. At each further step the units that enter are as
    near to their tasks as possible: of all permutations that give no task a unit again, one with
    the least sum of |unit - task|. Of several, task 1 has the lowest unit, then task 2, and so on.

    The steps never get stuck. After l of them each task lacks k - l units and each unit k - l
    tasks; such a regular bipartite graph has a perfect matching (Hall's theorem).

    Args:
        num_tasks: number of tasks k, and of units.
        steps: how many units to give each task.
    """
    costs = (tuple(abs(unit - task) for unit in range(num_tasks)) for task in range(num_tasks))
    return _orders_by_assignment(tuple(costs), steps)


def learned_orders(affinity: Sequence[Sequence[float]], steps: int) -> Orders:
    """Orders by affinity, in which the units of every step are a permutation over the tasks.

    As `balanced_orders`, but the units that enter at a step have the greatest sum of affinities.
    Affinities are compared by the millionth, so that rounding decides nothing.

    Args:
        affinity: for each of the k tasks, how much each of the k units has to give it.
        steps: how many units to give each task.
    """
    costs = (tuple(-round(a * _MILLION) for a in row) for row in affinity)
    return _orders_by_assignment(tuple(costs), steps)


@functools.lru_cache  # a scenario is asked for its table many times
def _orders_by_assignment(costs: tuple[tuple[int, ...], ...], steps: int) -> Orders:
    """Unit j for task j, then step by step the permutation of free units of the least cost.

    Args:
        costs: whole numbers, a row for each task and a column for each unit.
        steps: how many units to give each task.
    """
    free = np.array(costs, np.float64)
    tasks = np.arange(len(free))
    entered = [tasks]
    for _ in range(1, steps):
        free[tasks, entered[-1]] = np.inf
        entered.append(_least_assignment(free))
    return tuple(tuple(units) for units in (np.transpose(entered) + 1).tolist())


def _least_assignment(costs: np.ndarray) -> np.ndarray:
    """The columns of the rows, all different, of the least total cost.

    Of several, the first row takes the lowest column, then the second, and so on.

    Args:
        costs: whole numbers (k, k), infinite where a row cannot have a column.
    """
    count = len(costs)
    scaled = count * costs  # so that the lowest column of one row decides between equal totals
    for row in range(count):
        tie = np.zeros_like(costs)
        tie[row] = np.arange(count)
        _, columns = linear_sum_assignment(scaled + tie)
        scaled[row, np.arange(count) != columns[row]] = np.inf
    return columns


def _units_by_distance(task: int, num_tasks: int, num_units: int, window: int) -> tuple[int, ...]:
    """All units, those of the task's level-1 window first, then by distance from its centre.

    `task` counts from 0 here. Sorting by (distance, ID) is the paper's "nearest unit, the lower
    ID first on a tie"; the window itself is nearest to its own centre.
    """
    room = num_units - window
    # Window starts spread over 0..room, rounded to the nearest; they are 0, 1, 2, ... when
    # there are as many windows as tasks, which is the paper's case.
    start = 0 if num_tasks == 1 else (2 * task * room + num_tasks - 1) // (2 * (num_tasks - 1))
    centre = start + (window - 1) / 2
    return tuple(sorted(range(1, num_units + 1), key=lambda unit: (abs(unit - 1 - centre), unit)))
