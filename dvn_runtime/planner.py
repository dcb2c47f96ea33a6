"""Chooses the level of each task: the best accuracy within a budget.

This is the multiple-choice knapsack problem: choose at most one network for each task, so that
the sum of costs stays within the budget and the weighted sum of accuracies is greatest. It is
solved exactly by meeting in the middle (Horowitz and Sahni, "Computing partitions with
applications to the knapsack problem", JACM 1974): split the tasks into two halves, drop the
combinations of each half that a cheaper one equals or beats, and walk along both halves once to
find the best pair. For 8 tasks of 8 levels that is at most 2 x 9^4 combinations.

A second aim breaks ties of accuracy: the least sum of delays. Both sums make one whole number, in
which a delay never outweighs accuracy, so that the search stays as it is.

Pure Python, without files or networks.
"""

import dataclasses
import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from dvn_runtime.errors import UserError, shown

_MOST_WEIGHT = 1e9


@dataclasses.dataclass(frozen=True)
class Option:
    """A network that may be chosen for a task.

    Args:
        task: name of the task.
        level: its memory level, from 1.
        cost: its share of the budget, in bytes or parameters.
        accuracy: its accuracy on the test split, 0..1.
        packed: whether it runs with packed weights; one level may be offered both ways.
        delay: what running it this way costs in time, such as multiply-adds; at least 0.
    """

    task: str
    level: int
    cost: int
    accuracy: float
    packed: bool = True
    delay: int = 0


class SmallBudgetError(UserError):
    """Raised for a budget that no choice keeps.

    Attributes:
        least: the smallest budget that suffices.
    """

    def __init__(self, message: str, least: int):
        super().__init__(message)
        self.least = least


@dataclasses.dataclass(frozen=True, order=True)
class _Combination:
    """A choice for some of the tasks; sorts by cost, then by loss."""

    cost: int
    loss: int  # the negative weighted sum of accuracies, and the delays below it
    choice: tuple[int, ...]  # the position of each task's option, -1 for none

    def __add__(self, other: "_Combination") -> "_Combination":
        return _Combination(
            self.cost + other.cost, self.loss + other.loss, self.choice + other.choice
        )


def choose_levels(
    options: Sequence[Option],
    budget: int | None,
    weights: Mapping[str, float] | None = None,
    minimum_accuracy: Mapping[str, float] | float | None = None,
    optional: Collection[str] = (),
    measure: str = "bytes",
    known_tasks: Collection[str] | None = None,
    fixed: int = 0,
) -> dict[str, Option]:
    """Chooses a network for each task so that the weighted sum of accuracies is greatest.

    The result is deterministic: of equally accurate choices it is the one of the least delay, of
    those the cheapest, and of equally cheap ones the first in the order of `options`.

    Args:
        options: the networks to choose from.
        budget: the greatest sum of costs; None is no limit.
        weights: {task: weight of its accuracy}; the weight of other tasks is 1.
        minimum_accuracy: {task: the least accuracy to accept}, or one number for all tasks.
        optional: tasks that may be left out.
        measure: what costs are counted in, for messages.
        known_tasks: the tasks that `weights`, `minimum_accuracy` and `optional` may name; None
            stands for the tasks of `options`.
        fixed: the part of the budget that every choice takes, whichever networks are in it.

    Returns:
        {task: option} in the order of `options`, without the tasks that are left out.

    Raises:
        SmallBudgetError: if the budget is too small; the message gives the smallest that suffices.
        UserError: if no network of a task reaches its minimum accuracy, or if an argument is
            invalid.
    """
    tasks = list(dict.fromkeys(option.task for option in options))
    known = tasks if known_tasks is None else known_tasks
    weights = _per_task(known, weights, 1.0, "weight", _MOST_WEIGHT)
    minima = _per_task(known, minimum_accuracy, 0.0, "minimum accuracy", 1.0)
    optional = task_names(optional, "optional")
    _check_tasks(known, optional, "optional")

    alternatives = {}
    for task in tasks:
        own = [option for option in options if option.task == task]
        alternatives[task] = [option for option in own if option.accuracy >= minima[task]]
        if not alternatives[task] and task not in optional:
            best = max(option.accuracy for option in own)
            raise UserError(
                f"no network of task {task!r} reaches the minimum accuracy {minima[task]:g}, the "
                f"best has {best:.4g}: lower the minimum, or make the task optional"
            )
    required = [task for task in tasks if task not in optional]
    _check_feasible({task: alternatives[task] for task in required}, budget, measure, fixed)

    losses = _losses(alternatives, weights)
    per_task = [
        _combinations_of_task(alternatives[task], losses[task], task in optional) for task in tasks
    ]
    # Without any network, nothing is taken: a budget below the fixed part may still be kept.
    best = _best_pair(per_task, math.inf if budget is None else max(budget - fixed, 0))
    return {
        task: alternatives[task][position]
        for task, position in zip(tasks, best.choice, strict=True)
        if position >= 0
    }


def task_names(named: Collection[str], what: str) -> tuple[str, ...]:
    """Checks that an argument is a collection of names.

    Args:
        named: the argument.
        what: its name, for messages.

    Raises:
        UserError: if it is something else, such as a single text.
    """
    if isinstance(named, str):
        raise UserError(f"{what} takes a sequence of task names, not the text {shown(named)}")
    if not isinstance(named, Collection) or not all(isinstance(name, str) for name in named):
        raise UserError(f"{what} takes a sequence of task names, not {shown(named)}")
    return tuple(named)


def _check_tasks(known: Collection[str], named: Collection[str], what: str) -> None:
    """Checks that all names are those of tasks."""
    for task in named:
        if task not in known:
            raise UserError(f"{what} names the unknown task {task!r}; there are {', '.join(known)}")


def _per_task(tasks, given, default, what, greatest) -> dict[str, float]:
    """Turns a number or a mapping into {task: number} for all tasks, and checks the numbers."""
    if not isinstance(given, Mapping):
        default, given = (default if given is None else given), {}
    _check_tasks(tasks, task_names(given, what), what)
    numbers_of = {task: given.get(task, default) for task in tasks}
    for task, number in numbers_of.items():
        real = isinstance(number, numbers.Real) and not isinstance(number, bool)
        if not real or not 0 <= number <= greatest:
            limits = f"at least 0 and at most {greatest:g}" if greatest > 1 else "between 0 and 1"
            raise UserError(f"the {what} of task {task!r} must be {limits}, not {shown(number)}")
    return numbers_of


def _check_feasible(
    alternatives: dict[str, list[Option]], budget: int | None, measure: str, fixed: int
):
    if budget is None or not alternatives:
        return
    least = fixed + sum(min(option.cost for option in own) for own in alternatives.values())
    if least > budget:
        raise SmallBudgetError(
            f"a budget of {budget:,} {measure} is too small for {', '.join(alternatives)}: give "
            f"at least {least} {measure} for their smallest networks, or make tasks optional",
            least,
        )


def _losses(alternatives, weights) -> dict[str, list[int]]:
    """What each option loses: whole numbers that rank first by accuracy, then by delay.

    Sums of floats depend on their order: rounding would make equally good choices differ. So all
    weighted accuracies are scaled by one number that makes them whole, and then by more than all
    delays together.
    """
    exact = {
        task: [Fraction(str(weights[task])) * Fraction(str(option.accuracy)) for option in own]
        for task, own in alternatives.items()
    }
    scale = math.lcm(*(value.denominator for values in exact.values() for value in values))
    scale *= 1 + sum(
        max((option.delay for option in own), default=0) for own in alternatives.values()
    )
    return {
        task: [
            option.delay - int(value * scale)
            for option, value in zip(own, exact[task], strict=True)
        ]
        for task, own in alternatives.items()
    }


def _combinations_of_task(own, losses, may_be_left_out) -> list[_Combination]:
    combinations = [
        _Combination(option.cost, loss, (position,))
        for position, (option, loss) in enumerate(zip(own, losses, strict=True))
    ]
    if may_be_left_out:
        combinations.append(_Combination(0, 0, (-1,)))
    return combinations


def _frontier(per_task: list[list[_Combination]], budget: float) -> list[_Combination]:
    """The combinations of some tasks that no cheaper one equals or beats, by rising cost."""
    frontier = [_Combination(0, 0, ())]
    for own in per_task:
        sums = sorted(left + right for left in frontier for right in own)
        frontier, least_loss = [], math.inf
        for combination in sums:
            if combination.cost > budget:
                break
            if combination.loss < least_loss:
                frontier.append(combination)
                least_loss = combination.loss
    return frontier


def _best_pair(per_task: list[list[_Combination]], budget: float) -> _Combination:
    middle = len(per_task) // 2
    lefts = _frontier(per_task[:middle], budget)
    rights = _frontier(per_task[middle:], budget)
    pairs = []
    # The more the left half costs, the less is left for the right half.
    for left in lefts:
        while rights and left.cost + rights[-1].cost > budget:
            rights.pop()
        if not rights:
            break
        pairs.append(left + rights[-1])
    return min(pairs, key=lambda pair: (pair.loss, pair.cost, pair.choice))
