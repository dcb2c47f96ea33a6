"""Budgets of memory on a board where LiteRT's code takes more or less than elsewhere."""

import json
import statistics

import pytest
from runtime.test_resident import on_linux, with_memory

from dvn_runtime import BudgetedPredictor, benchmark
from dvn_runtime.board import board_facts, read_board
from dvn_runtime.errors import UserError
from dvn_runtime.resident import FIXED

BOARD = {"litert": {"packed": 2_000_000, "unpacked": 1_500_000}}


def write(path, board) -> str:
    path.write_text(json.dumps({"board": board}))
    return str(path)


@on_linux
def test_the_benchmark_writes_what_makes_its_predictions_right(pristine, tmp_path):
    path = tmp_path / "board.json"
    arguments = [str(pristine.folder), "--repeats=1", "--format=litert", f"--json={path}"]
    assert benchmark.run(arguments) == 0
    rows = json.loads(path.read_text())["networks"]
    board = read_board(path, "litert")["litert"]
    for packed in (True, False):
        own = {row["file"]: row["predicted"] - FIXED["litert"][packed,] for row in rows
               if row["packed"] == packed}  # fmt: skip
        errors = [
            row["resident"] - own[row["file"]] - board[packed,]
            for row in rows
            if row["packed"] == packed
        ]
        assert abs(statistics.median(errors)) <= 1
    # Given what it wrote, it predicts with that.
    again = tmp_path / "again.json"
    arguments[-1] = f"--json={again}"
    assert benchmark.run([*arguments, f"--board={path}"]) == 0
    for before, after in zip(rows, json.loads(again.read_text())["networks"], strict=True):
        change = board[before["packed"],] - FIXED["litert"][before["packed"],]
        assert after["predicted"] - before["predicted"] == change
    assert benchmark.run([*arguments, "--batch=2"]) == 0
    assert json.loads(again.read_text())["board"] == {}


def test_the_median_of_the_differences_counts():
    measured = [
        {"format": "litert_int8", "packed": False, "own": own, "resident": resident}
        for own, resident in ((100, 1100), (200, 1400), (300, 9000))
    ]
    measured.append({**measured[0], "resident": None})  # where memory cannot be measured
    assert board_facts(measured) == {"litert_int8": {"unpacked": 1200}}


def test_a_budget_counts_what_the_board_takes(export, tmp_path):
    with_memory(export)
    board = write(tmp_path / "board.json", BOARD)
    for pack_weights, code in ((True, 2_000_000), (False, 1_500_000)):
        options = {"resident": "1GB", "pack_weights": pack_weights, "board": board}
        with BudgetedPredictor(export.folder, **options) as predictor:
            plan = predictor.plan()
        own = sum(n.memory.resident(pack_weights) for n in plan.networks.values())
        assert plan.resident == own + code
    with pytest.raises(UserError, match="too small") as error:
        BudgetedPredictor(export.folder, resident=1000, board=board)
    least = int(str(error.value).partition("at least ")[2].split()[0])
    own = [n.memory.resident(False) for n in plan.networks.values()]
    assert 1_500_000 < least < 1_500_000 + sum(own)


def test_both_ways_take_a_little_more_than_either(tmp_path):
    board = read_board(write(tmp_path / "board.json", BOARD), "litert")["litert"]
    usual = FIXED["litert"]
    assert board[False, True] - board[True,] == usual[False, True] - usual[True,] > 0


@pytest.mark.parametrize(
    "board",
    [
        {},
        {"litert_int8": {"packed": 1, "unpacked": 1}},
        {"litert": {"packed": 1}},
        {"litert": {"packed": 1, "unpacked": -1}},
        {"litert": {"packed": 1, "unpacked": 1.5}},
        {"litert": {"packed": True, "unpacked": 1}},
        {"litert": [1, 1]},
        [],
    ],
)
def test_a_file_that_does_not_tell_is_refused(export, tmp_path, board):
    path = write(tmp_path / "board.json", board)
    with pytest.raises(UserError, match="does not tell what litert takes packed and unpacked"):
        BudgetedPredictor(export.folder, resident="1GB", board=path)


def test_a_file_that_is_not_there(export, tmp_path):
    with pytest.raises(UserError, match=r"none\.json"):
        BudgetedPredictor(export.folder, board=tmp_path / "none.json")
