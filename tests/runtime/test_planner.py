import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvn_runtime import Option, choose_levels
from dvn_runtime.errors import UserError

# Hundredths, so that brute force can sum exactly, and few values, so that ties are common.
_HUNDREDTHS = st.integers(0, 100)


@st.composite
def problems(draw):
    names = "abcde"[: draw(st.integers(1, 5))]
    options = [
        Option(task, level, draw(st.integers(1, 30)), draw(_HUNDREDTHS) / 100)
        for task in names
        for level in range(1, draw(st.integers(1, 4)) + 1)
    ]
    subset = st.sets(st.sampled_from(names))
    weights = {task: draw(st.integers(0, 3)) for task in draw(subset)}
    minima = {task: draw(st.integers(0, 60)) / 100 for task in draw(subset)}
    return options, draw(st.integers(1, 100)), weights, minima, draw(subset)


def brute_force(options, budget, weights, minima, optional):
    """All allowed picks, as (score in hundredths, cost, {task: option})."""
    tasks = dict.fromkeys(option.task for option in options)
    own = {
        task: [o for o in options if o.task == task and o.accuracy >= minima.get(task, 0)]
        + [None] * (task in optional)
        for task in tasks
    }
    picks = []
    for pick in itertools.product(*own.values()):
        taken = [option for option in pick if option]
        cost = sum(option.cost for option in taken)
        score = sum(weights.get(o.task, 1) * round(o.accuracy * 100) for o in taken)
        if cost <= budget:
            picks.append((score, cost, {option.task: option for option in taken}))
    return picks


@given(problems())
@settings(max_examples=600, deadline=None)
def test_as_good_and_as_cheap_as_brute_force(problem):
    options, budget, weights, minima, optional = problem
    picks = brute_force(*problem)
    if not picks:
        with pytest.raises(UserError):
            choose_levels(options, budget, weights, minima, optional)
        return
    chosen = choose_levels(options, budget, weights, minima, optional)
    best = max((score, -cost) for score, cost, _ in picks)
    assert chosen in [pick for score, cost, pick in picks if (score, -cost) == best]


@given(problems())
@settings(deadline=None)
def test_the_minimum_that_the_message_names_is_the_minimum(problem):
    options, _, weights, minima, optional = problem
    unlimited = brute_force(options, 10**9, weights, minima, optional)
    required = {option.task for option in options} - optional
    if not unlimited or not required:
        return
    least = min(cost for _, cost, _ in unlimited)
    choose_levels(options, least, weights, minima, optional)
    with pytest.raises(UserError, match=f"give at least {least} parameters"):
        choose_levels(options, least - 1, weights, minima, optional, measure="parameters")


def test_the_same_question_has_the_same_answer():
    options = [Option(task, level, 5, 0.5) for task in "ab" for level in (1, 2, 3)]
    assert [o.level for o in choose_levels(options, 10).values()] == [1, 1]


def test_equal_sums_are_told_apart_by_cost_and_not_by_rounding():
    # As floats 0.1 + 0.2 > 0.3, and the dearer pair would win.
    options = [
        Option("a", 1, 1, 0.0),
        Option("a", 2, 9, 0.1),
        Option("b", 1, 1, 0.3),
        Option("b", 2, 9, 0.2),
    ]
    chosen = choose_levels(options, 100, minimum_accuracy={"b": 0.25})
    assert chosen["b"].level == 1
    tied = [Option("a", 1, 9, 0.1), Option("b", 1, 9, 0.2), Option("c", 1, 9, 0.3)]
    assert list(choose_levels(tied, 18, {"c": 0.9999}, optional=["a", "b", "c"])) == [
        "b",
        "c",
    ]


@pytest.mark.parametrize("shape", ["concave", "proportional", "random"])
def test_eight_tasks_of_eight_levels_take_no_time(shape):
    import random

    rng = random.Random(7)
    options = []
    for task in "abcdefgh":
        for level in range(1, 9):
            cost = level**2 * 100_000 + rng.randrange(50_000)
            accuracy = {
                "concave": round(0.95 - 0.4 / level - rng.random() / 100, 4),
                "proportional": cost / 10_000_000,  # no combination beats another
                "random": rng.random(),
            }[shape]
            options.append(Option(task, level, cost, accuracy))
    started = time.perf_counter()
    chosen = choose_levels(options, 16_000_000, optional=["g", "h"])
    assert time.perf_counter() - started < 3
    assert sum(option.cost for option in chosen.values()) <= 16_000_000
    if shape == "proportional":  # the optimum is the budget itself, all but a sliver
        assert sum(option.cost for option in chosen.values()) > 15_999_900


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {"z": 1}}, "weight names the unknown task 'z'"),
        ({"weights": {"a": -1}}, "weight of task 'a' must be at least 0"),
        ({"weights": {"a": float("nan")}}, "must be at least 0"),
        ({"weights": {"a": float("inf")}}, "must be at least 0"),
        ({"minimum_accuracy": {"z": 0.1}}, "unknown task 'z'"),
        ({"minimum_accuracy": 90}, "between 0 and 1, not 90"),
        ({"minimum_accuracy": {"a": "0.5"}}, "between 0 and 1"),
        ({"minimum_accuracy": 0.9}, "no network of task 'a' reaches the minimum accuracy 0.9"),
        ({"optional": ["z"]}, "optional names the unknown task 'z'"),
        ({"optional": "a"}, "takes a sequence"),
    ],
)
def test_senseless_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        choose_levels([Option("a", 1, 5, 0.5)], None, **arguments)


def test_nothing_to_choose_from():
    assert choose_levels([], 5) == {}
