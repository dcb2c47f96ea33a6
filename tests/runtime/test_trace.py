import json
import pathlib
import subprocess
import sys
import time

import pytest
from PIL import Image

from dvn_runtime import trace
from dvn_runtime.errors import UserError


def test_the_record_follows_the_budget_while_predictions_run(pristine):
    small = sum(pristine.entry(task, 1)["bytes"] for task in ("colours", "digits"))
    large = sum(pristine.entry(task, 3)["bytes"] for task in ("colours", "digits"))
    moments = trace.record_budgets(pristine.folder, [large, small, large], 0.4, 0.02)
    assert all(moment.file_bytes <= moment.budget for moment in moments)
    assert {moment.accuracy["digits"] for moment in moments} == {0.5, 0.95}
    assert moments[0].budget == moments[-1].budget == large
    counts = [moment.predictions for moment in moments]
    assert counts == sorted(counts) and counts[-1] > counts[0]
    assert [m.seconds for m in moments] == sorted(m.seconds for m in moments)


def test_budgets_of_resident_memory(pristine):
    moments = trace.record_budgets(
        pristine.folder, ["4MB", "8MB", "4MB"], 0.3, 0.02, resident=True, format="litert"
    )
    assert {moment.budget for moment in moments} == {4_000_000, 8_000_000}
    assert {moment.accuracy["digits"] for moment in moments if moment.budget > 5e6} == {0.95}
    assert all(moment.predicted_bytes > 3_000_000 for moment in moments)


def test_a_budget_that_takes_long_to_apply_is_recorded_too(pristine, monkeypatch):
    apply = trace.BudgetedPredictor.set_budget

    def apply_slowly(*args, **budget):
        apply(*args, **budget)
        time.sleep(0.2)

    monkeypatch.setattr(trace.BudgetedPredictor, "set_budget", apply_slowly)
    budgets = [1_000_000, 500_000, 800_000]
    moments = trace.record_budgets(pristine.folder, budgets, 0.05, 0.01)
    assert list(dict.fromkeys(moment.budget for moment in moments)) == budgets


def test_tasks_that_come_and_go_do_not_stop_it(pristine):
    small = pristine.entry("digits", 1)["bytes"]
    budgets = [small, "1MB"] * 5
    moments = trace.record_budgets(
        pristine.folder, budgets, 0.05, 0.01, optional=["colours"], weights={"colours": 0.1}
    )
    assert {len(moment.accuracy) for moment in moments} == {1, 2}


@pytest.mark.parametrize("budgets", [[], ["1M params"]])
def test_budgets_that_are_no_bytes_are_named(pristine, budgets):
    with pytest.raises(UserError, match="needs budgets, in bytes"):
        trace.record_budgets(pristine.folder, budgets)


def test_the_program_writes_a_picture_and_the_numbers(pristine, tmp_path):
    command = [sys.executable, "-m", "experiments.budget_plot", f"--export_dir={pristine.folder}"]
    command += ["--budgets=1MB,100kB,1MB", "--seconds=0.2", f"--output_dir={tmp_path}"]
    checkout = pathlib.Path(__file__).parents[2]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout)
    assert "budget.png" in printed.stdout
    assert Image.open(tmp_path / "budget.png").width > 500
    moments = json.loads((tmp_path / "budget.json").read_text())
    assert {moment["budget"] for moment in moments} == {1_000_000, 100_000}
    command[-3] = "--budgets=8MB,5MB,8MB"
    subprocess.run([*command, "--resident"], capture_output=True, check=True, cwd=checkout)
    moments = json.loads((tmp_path / "budget.json").read_text())
    assert {moment["budget"] for moment in moments} == {8_000_000, 5_000_000}
    assert all(moment["predicted_bytes"] < moment["budget"] for moment in moments)
