"""An interrupted sequence goes on in the stage where it stopped."""

import functools
import json
import random
import shutil
import signal

import killed_program
import numpy as np
import pytest
import signalled_program
from methods.short_runs import (
    HIGH,
    LOW,
    SHORT,
    experiment_of,
    files_of,
    stop_after,
    watch,
    weights_of,
)
from run_checks import assert_same_files, without_seconds

from dvn_tf import data
from dvn_tf.errors import UserError
from dvn_tf.networks.network import load_network
from dvn_tf.training.run_folder import RunFolder


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


ARGUMENTS = {
    "joint": ("gin/quickstart.gin", "experiments.joint"),
    "sequential": ("gin/quickstart_sequential.gin", "experiments.sequential"),
}
_PARAMS = (*SHORT, "Recipe.epochs = 2")


@pytest.mark.parametrize("kind, when", [("joint", "before"), ("sequential", "after")])
def test_a_run_killed_at_every_file_ends_with_the_files_of_one_that_was_not(
    kind, when, start_forked, run_forked, tmp_path
):
    """Weights, optimizers, networks and results, of teachers too, bit for bit."""
    gin_file, program = ARGUMENTS[kind]
    arguments = [f"--gin_file={gin_file}", *(f"--gin_param={param}" for param in _PARAMS)]
    whole, folder, kills = tmp_path / "whole", tmp_path / "run", tmp_path / "kills"
    done = run_forked(program, *arguments, f"--run_dir={whole}")
    assert done.returncode == 0, done.stderr
    kills.touch()
    target = functools.partial(killed_program.run, when, str(kills))
    for _ in range(60):
        arguments_here = (*arguments, f"--run_dir={folder}")
        done = start_forked(program, *arguments_here, target=target)[1]()
        if done.returncode != -signal.SIGKILL:
            break
    assert done.returncode == 0, done.stderr
    assert_same_files(folder, whole)
    names = {line.rpartition("/")[2] for line in kills.read_text().splitlines()}
    assert {"config.gin", "epoch-0002.checkpoint", "model.keras", "stage.json"} <= names
    assert {"results.json", "history.json of 2 epochs", ".lock.json"} <= names


@pytest.mark.parametrize("kind, number", [("joint", signal.SIGTERM), ("sequential", signal.SIGINT)])
def test_a_run_that_signals_stop_ends_with_the_files_of_one_that_ran_through(
    kind, number, start_forked, run_forked, tmp_path
):
    """Two signals at random steps, of a sequence one in each stage."""
    gin_file, program = ARGUMENTS[kind]
    arguments = [f"--gin_file={gin_file}", *(f"--gin_param={param}" for param in _PARAMS)]
    whole, folder = tmp_path / "whole", tmp_path / "run"
    done = run_forked(program, *arguments, f"--run_dir={whole}")
    assert done.returncode == 0, done.stderr
    per_epoch = 8  # 500 images in batches of 64
    first = random.randint(2, per_epoch)
    second = random.randint(per_epoch + 2, 2 * per_epoch - 1)
    # Counted in the process that gets the signal: it does what is left of the first stage, too.
    counts = [first, second - first if kind == "joint" else 2 * per_epoch - first + second]
    for step, count in zip((first, second), counts, strict=True):
        target = functools.partial(signalled_program.run, number, count)
        done = start_forked(program, *arguments, f"--run_dir={folder}", target=target)[1]()
        assert done.returncode == 128 + number, done.stderr
        epoch, rest = divmod(step - 1, per_epoch)
        assert done.stderr == (
            f"stopped after step {step} (epoch {epoch + 1}, step {rest + 1} of {per_epoch}): the "
            "same command goes on from there\n"
        )
    done = run_forked(program, *arguments, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert f"Going on after epoch {epoch + 1}, step {rest + 1} of {per_epoch}." in done.stdout
    assert_same_files(folder, whole)


def test_losses_are_the_same_after_a_kill_behind_the_last_stage(run_forked, tmp_path):
    """TensorFlow is set up alike whether or not this process has trained."""
    arguments = [f"--gin_file={ARGUMENTS['joint'][0]}", *(f"--gin_param={p}" for p in _PARAMS)]
    folder = tmp_path / "run"
    assert run_forked("experiments.joint", *arguments, f"--run_dir={folder}").returncode == 0
    before = json.loads((folder / "results.json").read_text())
    (folder / "results.json").unlink()
    assert run_forked("experiments.joint", *arguments, f"--run_dir={folder}").returncode == 0
    after = json.loads((folder / "results.json").read_text())
    assert without_seconds(after) == without_seconds(before)


@pytest.mark.parametrize("name", ["joint dvn", "dvn"])
@pytest.mark.parametrize("step", ["make_optimizer", "pipelines.steps_per_epoch"])
def test_what_cannot_be_trained_claims_no_folder(name, step, tmp_path, monkeypatch):
    """Neither for a first run nor for the corrected command after it."""

    def refuse(*_):
        raise UserError("this cannot be trained")

    monkeypatch.setattr(f"dvn_tf.training.fitting.{step}", refuse)
    with pytest.raises(UserError, match="this cannot be trained"):
        watch(experiment_of(name), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_process_is_told_before_it_loads_anything(run_of, tmp_path):
    folder = tmp_path / "run"
    copy_of(run_of("lwf"), folder, [LOW])
    before = files_of(folder)
    with (
        RunFolder(folder).lock(),
        pytest.raises(UserError, match=rf"{folder} is being trained by .*process .*: wait for it"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(data, "load", None)
        watch(experiment_of("lwf"), folder)
    assert {file: files_of(folder)[file] for file in before} == before
