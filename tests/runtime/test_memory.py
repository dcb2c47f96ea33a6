"""Resident memory of a process of its own follows the budget."""

import json
import pathlib
import subprocess
import sys

import pytest

MEGABYTE = 10**6

# Prints the resident bytes after the start, and then after a prediction at each budget.
PROGRAM = """
import json, os, sys
import numpy as np
from dvn_runtime import BudgetedPredictor

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

budgets = json.loads(sys.argv[3])
predictor = BudgetedPredictor(sys.argv[1], budgets[0], pack_weights=bool(int(sys.argv[2])))
image = np.zeros((32, 32, 3), np.uint8)
series = []
for budget in budgets:
    predictor.set_budget(budget)
    predictor.predict("large", image)
    series.append(resident())
predictor.close()
series.append(resident())
print(json.dumps(series))
assert not {"tensorflow", "keras", "absl", "matplotlib"} & set(sys.modules)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize(("pack_weights", "copies"), [(True, 2), (False, 1)])
def test_resident_memory_follows_the_budget(large, pack_weights, copies):
    small, middle, big = (large.entry("large", level)["bytes"] for level in (1, 2, 3))
    assert big > 30 * MEGABYTE
    budgets = [small, big, small, middle, big, middle, small]
    output = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            large.folder,
            str(int(pack_weights)),
            json.dumps(budgets),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=pathlib.Path(__file__).parents[2],
    ).stdout
    resident = json.loads(output)
    # What the networks take above the smallest, against what their files say; the slack is for
    # working memory.
    slack = 9 * MEGABYTE
    for budget, bytes_now in zip(budgets, resident[:-1], strict=True):
        expected = copies * (budget - small)
        assert abs(bytes_now - resident[0] - expected) < slack, (budgets, resident)
    # Nothing is left behind, however often networks come and go.
    assert resident[-2] < resident[0] + 3 * MEGABYTE
    assert resident[-1] <= resident[-2]
