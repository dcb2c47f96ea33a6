"""An interrupted sequence goes on in the stage where it stopped."""

import json
import shutil

import numpy as np
import pytest
from methods.short_runs import (
    HIGH,
    LOW,
    experiment_of,
    files_of,
    stop_after,
    watch,
    weights_of,
)
from run_checks import without_seconds

from dvn_tf.networks.network import load_network


def copy_of(run, folder, stages):
    """A run that was ended when some stages were done."""
    folder.mkdir()
    shutil.copy(run.path / "config.gin", folder)
    for stage in stages:
        shutil.copytree(run.path / stage, folder / stage)
    return {stage: files_of(folder / stage) for stage in stages}


@pytest.fixture(scope="module")
def resumed(run_of, tmp_path_factory):
    """LwF ended in its last stage, after an epoch of two, and what it was then and is now."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    done = copy_of(run_of("lwf"), folder, [LOW, f"{HIGH}_warmup"])
    experiment = experiment_of("lwf")
    with stop_after(HIGH, epoch=1):
        watch(experiment, folder)
    stopped = files_of(folder)
    return done, stopped, watch(experiment, folder)


def test_stages_that_are_done_are_left_alone(resumed):
    done, _, run = resumed
    assert set(run.stages) == {HIGH}
    for stage, files in done.items():
        assert files_of(run.path / stage) == files


def test_a_stage_goes_on_after_its_last_epoch(resumed, run_of):
    _, stopped, run = resumed
    checkpoint = f"{HIGH}/checkpoints/epoch-0001.checkpoint"
    names = {str(file) for file in stopped}
    assert checkpoint in names
    assert not {"results.json", "model.keras", f"{HIGH}/model.keras"} & names
    content, written = files_of(run.path)[next(f for f in stopped if str(f) == checkpoint)]
    before = next(value for file, value in stopped.items() if str(file) == checkpoint)
    assert (content, written) == before
    whole = json.loads((run_of("lwf").path / HIGH / "history.json").read_text())
    history = json.loads((run.path / HIGH / "history.json").read_text())
    assert without_seconds(history) == without_seconds(whole)


def test_the_end_is_that_of_a_run_that_never_stopped(resumed, run_of):
    _, _, run = resumed
    whole = run_of("lwf")
    assert without_seconds(run.results) == without_seconds(whole.results)
    same_weights(run.path, whole.path)


def same_weights(path, other):
    weights = [weights_of(load_network(folder / "model.keras")) for folder in (path, other)]
    assert set(weights[0]) == set(weights[1])
    for name, values in weights[0].items():
        np.testing.assert_array_equal(values, weights[1][name], err_msg=name)


def test_a_run_ended_between_network_and_record_trains_nothing_again(run_of, tmp_path):
    """The last checkpoint holds all of a stage; its record is written anew."""
    whole, folder = run_of("feature_extraction"), tmp_path / "run"
    copy_of(whole, folder, [LOW, HIGH])
    (folder / HIGH / "stage.json").unlink()
    (folder / HIGH / "model.keras").unlink()
    run = watch(experiment_of("feature_extraction"), folder)
    assert without_seconds(run.results) == without_seconds(whole.results)
    assert run.results["seconds"] == whole.results["seconds"]  # none were spent
    same_weights(run.path, whole.path)


def test_a_finished_run_is_only_reported(run_of, capsys):
    run = run_of("lwf")
    before = files_of(run.path)
    again = watch(run.experiment, run.path)
    assert again.results == run.results
    assert again.stages == {}
    assert again.touched == [{"digits": set(), "pipelines": set()}]
    assert "is finished" in capsys.readouterr().out
    assert files_of(run.path) == before
