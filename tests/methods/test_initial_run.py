"""--initial_run: a sequence goes on from the old network of another run."""

import os
import shutil

import pytest
from methods.short_runs import HIGH, LOW, experiment_of, files_of, watch
from run_checks import without_seconds

from dvn_tf.errors import UserError


def test_an_initial_run_is_taken_over_instead_of_trained(run_of, tmp_path):
    old, whole = run_of("lwf"), run_of("feature_extraction")
    before = files_of(old.path)
    run = watch(experiment_of("feature_extraction"), tmp_path / "run", old.path)
    assert set(run.stages) == {HIGH}
    expected = without_seconds(whole.results)
    assert [stage["method"] for stage in expected["stages"]] == ["feature_extraction"] * 2
    expected["stages"][0]["method"] = "lwf"  # that is where it comes from
    assert without_seconds(run.results) == expected
    for file in ("model.keras", "stage.json"):
        taken, original = (path / LOW / file for path in (run.path, old.path))
        assert taken.read_bytes() == original.read_bytes()
    # The run is whole by itself, and the other left as it was.
    assert files_of(old.path) == before
    seconds = [record["seconds"] for record in run.results["stages"]]
    assert run.results["seconds"] == pytest.approx(sum(seconds))


def _missing(run, path):
    return "nowhere"


def _unfinished(run, path):
    shutil.copytree(run.path, path)
    (path / LOW / "stage.json").unlink()
    return path


def _damaged(run, path):
    shutil.copytree(run.path, path)
    model = path / LOW / "model.keras"
    model.write_bytes(model.read_bytes()[:3000])
    return path


def _record_damaged(run, path):
    shutil.copytree(run.path, path)
    (path / LOW / "stage.json").write_text('{"name": ')
    return path


def _as_it_is(run, path):
    return run.path


# {case: (the old run, what becomes of it, the new run's settings, what the error says)}
BAD = {
    "missing": ("lwf", _missing, (), "no trained network of task digits_0-4 in nowhere"),
    "unfinished": ("lwf", _unfinished, (), "no trained network of task digits_0-4"),
    "damaged": ("lwf", _damaged, (), "model.keras is not a whole Keras model"),
    "damaged record": ("lwf", _record_damaged, (), "stage.json is damaged"),
    "other shape": ("nestednet", _as_it_is, (), r"with units \(1,\) of 2"),
    "other backbone": ("lwf", _as_it_is, ("WideResNet.width = 2",), "WRN-8-1 .* WRN-8-2"),
    "other map size": ("lwf", _as_it_is, ("Scenario.map_size = 4",), "another shape"),
    "other seed": ("lwf", _as_it_is, ("Recipe.seed = 1",), "another recipe"),
    "other epochs": ("lwf", _as_it_is, ("Recipe.epochs = 2",), "another recipe"),
    "other old task": ("lwf", _as_it_is, ("low/Task.classes = '0-3'",), "another task"),
    "joint run": ("joint dvn", _as_it_is, (), "no trained network of task digits_0-4"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_initial_run_that_cannot_be_used_is_refused_before_anything_is_written(
    case, run_of, tmp_path
):
    name, change, params, message = BAD[case]
    old = change(run_of(name), tmp_path / "old")
    experiment = experiment_of("feature_extraction", *params)
    with pytest.raises(UserError, match=message) as raised:
        watch(experiment, tmp_path / "run", old)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_method_of_one_stage_has_no_use_for_an_initial_run(run_of, tmp_path):
    with pytest.raises(UserError, match="leave --initial_run out"):
        watch(experiment_of("joint dvn"), tmp_path / "run", run_of("lwf").path)
    assert not (tmp_path / "run").exists()


def test_a_stage_that_cannot_be_copied_is_one_line(run_of, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(run_of("lwf").path, old)
    os.mkfifo(old / LOW / "pipe")
    with pytest.raises(UserError, match=r"cannot copy .* is a named pipe") as raised:
        watch(experiment_of("feature_extraction"), tmp_path / "run", old)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / LOW).exists()
