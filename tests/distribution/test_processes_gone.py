"""Processes that are killed or stopped: all end, say why, and the same command goes on."""

import json
import re
import shutil
import signal

import pytest
from distribution.jobs import Job

EPOCHS = 4
ARGUMENTS = (f"--gin_param=Recipe.epochs = {EPOCHS}", "--run_dir=run")


def history(folder):
    """The figures of all epochs, without the times."""
    epochs = json.loads((folder / "run/history.json").read_text())
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


def one_line(errors):
    """The errors, of which there must be one line."""
    assert errors.count("\n") == 1, errors
    return errors


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    job = Job(folder, 2, *ARGUMENTS)
    assert job.wait() == [0, 0], (job.errors(0), job.errors(1))
    assert job.errors(0) == job.errors(1) == job.output(1) == ""
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run whose process 1 was killed."""
    folder = tmp_path_factory.mktemp("killed")
    job = Job(folder, 2, *ARGUMENTS)
    job.wait_for("epoch 2 of")
    job.kill(1)
    assert job.wait(60) == [75, -9]
    line = one_line(job.errors(0))
    assert line.startswith("error: process 1 of 2 (host ") and "is gone: start all again" in line
    assert f"pid {job.processes[1].pid})" in line
    return folder


def test_a_run_that_was_ended_again_and_again_is_like_one_that_was_not(
    killed, uninterrupted, tmp_path
):
    shutil.copytree(killed / "run", tmp_path / "run")
    job = Job(tmp_path, 2, *ARGUMENTS)
    job.wait_for("epoch 3 of")
    job.processes[1].send_signal(signal.SIGTERM)
    assert job.wait() == [143, 143], (job.errors(0), job.errors(1))
    place = re.compile(
        r"stopped after step (\d+) \(epoch \d, step \d of 3\): the same command goes"
    )
    [first], [second] = (place.findall(job.errors(index)) for index in (0, 1))
    assert first == second
    assert list((tmp_path / "run/checkpoints").glob("*-step-*.checkpoint"))

    job = Job(tmp_path, 2, *ARGUMENTS)
    job.wait_for("Going on after epoch")  # while the step is compiled, or in it
    job.kill(0)
    assert job.wait(60) == [-9, 75]
    assert one_line(job.errors(1)).startswith("error: process 0 of 2 (host ")

    job = Job(tmp_path, 2, *ARGUMENTS)
    assert job.wait() == [0, 0], (job.errors(0), job.errors(1))
    assert "Going on after epoch" in job.output(0)
    assert history(tmp_path) == history(uninterrupted)
    ours, theirs = (folder / "run/model.keras" for folder in (tmp_path, uninterrupted))
    assert ours.read_bytes() == theirs.read_bytes()


def test_another_number_of_processes_goes_on(killed, uninterrupted, tmp_path):
    shutil.copytree(killed / "run", tmp_path / "run")
    job = Job(tmp_path, 1, *ARGUMENTS)
    assert job.wait() == [0], job.errors(0)
    assert "Going on after epoch" in job.output(0)
    ours, theirs = history(tmp_path), history(uninterrupted)
    assert len(ours) == EPOCHS
    assert ours[1] == theirs[1]  # of two processes, before one was killed
    assert ours[-1]["loss"] == pytest.approx(theirs[-1]["loss"], abs=0.05)


def test_processes_that_were_started_differently_write_nothing(tmp_path):
    job = Job(tmp_path, 2, *ARGUMENTS, own={1: ("--seed=7",)})
    statuses = job.wait()
    assert set(statuses) <= {1, 75} and 1 in statuses  # one may end because the other does
    for index in range(2):
        line = one_line(job.errors(index))
        assert "process 1 of 2 has another configuration ('Recipe.seed = 7') than process 0" in line
    assert not (tmp_path / "run").exists()
    assert job.output(1) == ""
