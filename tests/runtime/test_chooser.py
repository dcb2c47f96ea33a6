"""The choice under a budget of resident memory, against all choices there are."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvn_runtime.budget import parse_budgets
from dvn_runtime.chooser import Costs, Wishes, choose_networks
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedNetwork
from dvn_runtime.plan import Choice
from dvn_runtime.planner import SmallBudgetError
from dvn_runtime.resident import NetworkMemory, fixed_memory

MEGABYTE = 10**6


def network(task, level, packed, unpacked, accuracy, multiply_adds):
    memory = NetworkMemory(packed * MEGABYTE, 0, unpacked * MEGABYTE, 0, 0, 0)
    return ExportedNetwork(
        f"{task}{level}", "litert", task, level, "float32", "logits", 7, 9, accuracy, "0" * 64,
        multiply_adds=multiply_adds, memory=memory,
    )  # fmt: skip


@st.composite
def problems(draw):
    networks = [
        network(
            task,
            level,
            draw(st.integers(1, 12)),
            draw(st.integers(1, 12)),  # packing may take less memory on several threads
            draw(st.integers(0, 10)) / 10,
            draw(st.integers(1, 5)),
        )
        for task in "abc"[: draw(st.integers(1, 3))]
        for level in range(1, draw(st.integers(1, 3)) + 1)
    ]
    weights = {"a": draw(st.integers(0, 2))}
    pack_weights = draw(st.sampled_from([None, None, True, False]))
    optional = draw(st.sampled_from([(), ("a",)]))
    return networks, draw(st.integers(1, 40)) * MEGABYTE, weights, pack_weights, optional


def all_choices(networks, weights, pack_weights, optional):
    """Every choice as (hundredths of accuracy, -multiply-adds unpacked, -bytes, its networks)."""
    per_task = {}
    for one in networks:
        for packed in (True, False) if pack_weights is None else (pack_weights,):
            per_task.setdefault(one.task, []).append((one, packed))
    for task in optional:
        per_task[task].append(None)
    for pick in itertools.product(*per_task.values()):
        taken = [pair for pair in pick if pair]
        tenths = sum(weights.get(one.task, 1) * round(10 * one.accuracy) for one, _ in taken)
        unpacked = sum(one.multiply_adds for one, packed in taken if not packed)
        own = sum(one.memory.packed if packed else one.memory.unpacked for one, packed in taken)
        total = own + fixed_memory("litert", {packed for _, packed in taken})
        yield tenths, -unpacked, -own, total, {(one.file, packed) for one, packed in taken}


def choose(problem):
    networks, budget, weights, pack_weights, optional = problem
    costs = Costs(parse_budgets(None, budget), "litert", 1, {n: n.memory for n in networks})
    tasks = {one.task for one in networks}
    chosen = choose_networks(networks, costs, Wishes(weights, None, pack_weights), optional, tasks)
    return {(choice.network.file, choice.packed) for choice in chosen.values()}


@given(problems())
@settings(max_examples=500, deadline=None)
def test_as_good_as_brute_force(problem):
    networks, budget, weights, pack_weights, optional = problem
    if "a" not in {one.task for one in networks}:
        return
    found = list(all_choices(networks, weights, pack_weights, optional))
    allowed = [choice for choice in found if choice[3] <= budget]
    if not allowed:
        with pytest.raises(SmallBudgetError) as error:
            choose(problem)
        assert error.value.least == min(choice[3] for choice in found)
        assert f"give at least {error.value.least} bytes of resident" in str(error.value)
        return
    best = max(choice[:3] for choice in allowed)
    assert choose(problem) in [choice[4] for choice in allowed if choice[:3] == best]


def test_packing_goes_where_it_saves_most_time():
    networks = [network("a", 1, 9, 5, 0.5, 100), network("b", 1, 9, 5, 0.5, 300)]
    # Room for one packed network: the one of more multiply-adds.
    assert choose((networks, 19 * MEGABYTE, {}, None, ())) == {("a1", False), ("b1", True)}
    assert choose((networks, 22 * MEGABYTE, {}, None, ())) == {("a1", True), ("b1", True)}
    assert choose((networks, 14 * MEGABYTE, {}, None, ())) == {("a1", False), ("b1", False)}


def test_accuracy_comes_before_packing():
    networks = [network("a", 1, 4, 2, 0.5, 1), network("a", 2, 20, 10, 0.5001, 1000)]
    assert choose((networks, 15 * MEGABYTE, {}, None, ())) == {("a2", False)}


def test_eight_tasks_of_eight_levels_are_few_enough():
    rng = random.Random(7)
    networks = [
        network(task, level, 2 * level**2 + 3, level**2 + 3, rng.random(), level**2)
        for task in "abcdefgh"
        for level in range(1, 9)
    ]
    assert len(choose((networks, 250 * MEGABYTE, {}, None, ()))) == 8


@pytest.mark.parametrize("arguments", [("1MB", "1MB"), (None, "1M params"), (None, "much")])
def test_budgets_that_exclude_each_other_or_are_none(arguments):
    with pytest.raises(UserError):
        parse_budgets(*arguments)


def test_code_that_stays_counts_as_long_as_the_budget_can_be_kept():
    networks = [network("a", 1, 9, 4, 0.5, 1), network("a", 2, 99, 6, 0.6, 1)]
    memory = {one: one.memory for one in networks}

    def level(limit, past):
        budget = parse_budgets(None, limit)
        costs = Costs(budget, "litert", 1, memory, past)
        [choice] = choose_networks(networks, costs, Wishes(None, None, None), (), "a").values()
        return choice.network.level

    fresh, both = (fixed_memory("litert", ways) for ways in ([False], [False, True]))
    assert level(6 * MEGABYTE + fresh, ()) == 2
    assert level(6 * MEGABYTE + fresh, (True, False)) == 1
    assert level(6 * MEGABYTE + both, (True, False)) == 2
    assert level(4 * MEGABYTE + fresh, (True, False)) == 1  # rather than none
    with pytest.raises(SmallBudgetError, match=f"give at least {4 * MEGABYTE + fresh} bytes"):
        level(4 * MEGABYTE + fresh - 1, (True, False))


def test_the_limit_of_networks_leaves_room_for_litert():
    one = network("a", 1, 9, 5, 0.5, 1)
    for ways in ([True], [False], [True, False]):
        costs = Costs(parse_budgets(None, "20MB"), "litert", 1, {one: one.memory}, [True])
        choices = [Choice(one, packed) for packed in ways]
        assert costs.limit(choices) == 20 * MEGABYTE - fixed_memory("litert", ways)
    files = Costs(parse_budgets("20MB", None), "litert", 1, {})
    assert files.limit([Choice(one, True)]) == 20 * MEGABYTE
    assert files.of(Choice(one, True)) == one.bytes
