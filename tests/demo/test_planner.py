"""The page's planner chooses what the device's planner chooses."""

import dataclasses
import random

import pytest

from dvn_runtime import Option, choose_levels
from dvn_runtime.errors import UserError

SCRIPT = """
import { BudgetTooSmall, changes, chooseLevels } from "./planner.js";
const answers = given.map(({ options, budgets, weights, optional }) => {
  const table = new Map(Object.entries(weights)), may = new Set(optional);
  const choices = budgets.map((budget) => {
    try {
      const chosen = chooseLevels(options, budget, table, may);
      return [...chosen].map(([task, option]) => [task, option.level]);
    } catch (error) {
      if (error instanceof BudgetTooSmall) return error.least;
      throw error;
    }
  });
  return { choices, changes: changes(options, table, may) };
});
console.log(JSON.stringify(answers));
"""


def problem(rng: random.Random) -> dict:
    """Few values, so that equally good and equally cheap choices are common."""
    tasks, most = "abcdefg"[: rng.randint(1, 5)], rng.choice([3, 12])
    accuracies = [0.1, 0.2, 0.30000000000000004, 0.3, 1.0]
    options = []
    for task in tasks:
        for level in range(1, rng.randint(1, 4) + 1):
            cost = rng.randint(1, most)
            # Of proportional accuracies, many choices are equally good and equally cheap.
            accuracy = cost / 20 if most == 3 else rng.choice(accuracies)
            options.append(Option(task, level, cost, accuracy))
    rng.shuffle(options)
    weights = {
        task: rng.choice([0, 0.1, 1, 3, 1e-7, 2.5e8]) for task in tasks if rng.random() < 0.5
    }
    optional = [task for task in tasks if rng.random() < 0.3]
    return {"options": options, "weights": weights, "optional": optional}


def python_choice(options, budget, weights, optional):
    try:
        chosen = choose_levels(options, budget, weights, optional=optional)
    except UserError as error:
        return int(str(error).partition("at least ")[2].split()[0])
    return [[task, option.level] for task, option in chosen.items()]


def compare(run_node, problems: list[dict]) -> None:
    asked = []
    for each in problems:
        most = sum(option.cost for option in each["options"])
        each["budgets"] = each.get("budgets") or list(range(1, most + 2))
        options = [dataclasses.asdict(option) for option in each["options"]]
        asked.append(each | {"options": options})
    for each, answer in zip(problems, run_node(SCRIPT, asked), strict=True):
        budgets = each.pop("budgets")
        expected = [python_choice(budget=budget, **each) for budget in budgets]
        assert answer["choices"] == expected
        if budgets == [*range(1, len(budgets) + 1)]:  # every budget was asked for
            feasible = [b for b, e in zip(budgets, expected, strict=True) if not isinstance(e, int)]
            changed = [b for b in feasible if expected[b - 1] != (expected[b - 2] if b > 1 else 0)]
            changed = [b for b in changed if expected[b - 1]]  # nothing chosen costs nothing
            assert [cost for cost in answer["changes"] if cost] == changed


def test_random_tables_at_every_budget(run_node):
    rng = random.Random(0)
    compare(run_node, [problem(rng) for _ in range(300)])


def test_tables_of_the_papers_size(run_node):
    rng = random.Random(1)
    problems = []
    for tasks, levels, count in ((4, 4, 20), (8, 8, 2)):
        options = [
            Option(f"task{task}", level, rng.randint(10**5, 10**8), rng.randint(0, 10**4) / 10**4)
            for task in range(tasks)
            for level in range(levels)
        ]
        budgets = [rng.randint(10**5, tasks * 10**8) for _ in range(count)]
        problems.append({"options": options, "weights": {}, "optional": [], "budgets": budgets})
    compare(run_node, problems)


@pytest.mark.parametrize("text, amount", [
    ("644,588", 644588), ("700 kB", 700_000), ("4.35MB", 4_350_000), ("1.5 MiB", 1_572_864),
    ("7.", 7), ("0.3 kB", 300), ("x", None), ("", None), ("-1", None), ("0", None),
    ("1e6", None), ("5 params", None), ("1.2.3", None), ("9" * 30, None),
])  # fmt: skip
def test_budgets_as_people_write_them(run_node, text, amount):
    script = (
        'import { parseBytes } from "./amounts.js"; console.log(JSON.stringify(parseBytes(given)));'
    )
    assert run_node(script, text) == amount
