"""The campaign notices what it is there to notice, and repeats what it did."""

import random
import signal
import zipfile

import h5py
import numpy as np
import pytest

from tests.faults import checks, damage, images, processes
from tests.faults.campaign import (
    FAILED,
    MOST_FAILURES,
    NOT_POSSIBLE,
    SURVIVED,
    Campaign,
    Outcome,
    table,
)
from tests.faults.child import Strike
from tests.faults.fault import Failure, Fault, NotPossible, Trial
from tests.faults.kinds import FAULTS


def end(status=0, stdout="", stderr=""):
    return processes.Done("program", status, stdout, stderr, 0.1)


TRACEBACK = "Traceback (most recent call last):\n  File ...\nValueError: no\n"


@pytest.mark.parametrize(
    "done",
    [
        end(1, stderr=TRACEBACK),
        end(0, stderr=TRACEBACK),
        end(1, stdout=TRACEBACK, stderr="error: no\n"),
        end(1),
        end(1, stderr="no error in one line\n"),
        end(1, stderr="error: one\nerror: two\n"),
        end(1, stderr="error: one\nand more\n"),
        end(70, stderr="error: unexpected ValueError\n"),
        end(2, stderr="error: a\n"),
        end(-signal.SIGSEGV),
        end(-signal.SIGKILL, stderr="error: a\n"),
    ],
)
def test_neither_a_clean_end_nor_a_refusal(done):
    with pytest.raises(Failure):
        checks.clean_end(done)


def test_clean_ends():
    assert checks.clean_end(end(0, "done\n"))
    assert not checks.clean_end(end(1, stderr="warning: x\nerror: too large: make it smaller\n"))
    checks.interrupted(end(130, stderr="\ninterrupted: the same command goes on\n"))
    checks.interrupted(end(143, stderr="interrupted: it goes on\n"), signal.SIGTERM)
    stopped = "stopped after step 4 (epoch 1, step 4 of 8): the same command goes on from there\n"
    checks.interrupted(end(130, stderr=stopped))
    checks.interrupted(end(130, stderr="stopping after this step; press Ctrl-C again\n" + stopped))
    assert checks.killed(end(-signal.SIGKILL), signal.SIGKILL)
    assert not checks.killed(end(0), signal.SIGKILL)


@pytest.mark.parametrize(
    "done",
    [
        end(0),
        end(-signal.SIGINT),
        end(1, stderr="interrupted\n"),
        end(130),
        end(130, stderr="interrupted\nand more\n"),
        end(130, stderr="interrupted\n" + TRACEBACK),
        end(143, stderr="interrupted\n"),
        end(130, stderr="stopping after this step; press Ctrl-C again\n"),
        end(130, stderr="stopping after this step; press Ctrl-C again\ninterrupted\n"),
    ],
)
def test_no_clean_interruption(done):
    with pytest.raises(Failure):
        checks.interrupted(done)


def write_run(folder, weight=1.0, loss=0.5, seconds=1.0):
    """A run folder with the files that are compared."""
    (folder / "checkpoints").mkdir(parents=True)
    checkpoint = folder / "checkpoints/epoch-0001.weights.h5"
    with h5py.File(checkpoint, "w") as file:
        file["layer/kernel"] = np.array([weight, 2.0], "float32")
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.write(checkpoint, "model.weights.h5")
    (folder / "history.json").write_text(f'[{{"loss": {loss}, "seconds": {seconds}}}]')
    return folder


@pytest.fixture
def reference(tmp_path):
    return write_run(tmp_path / "reference")


def test_equal_runs_are_equal_apart_from_times(reference, tmp_path):
    run = write_run(tmp_path / "run", seconds=7.0)
    (run / "events.out.tfevents.0002").touch()
    checks.same_run(run, reference)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: write_run(run, weight=np.nextafter(np.float32(1), 2)), "other values"),
        (lambda run: write_run(run, loss=0.5000001), "not that of an undisturbed run"),
        (lambda run: (write_run(run) / "history.json").unlink(), "is missing"),
        (lambda run: (write_run(run) / ".lock").touch(), "is left behind"),
        (lambda run: (write_run(run) / ".partial-1-x").mkdir(), "is left behind"),
        (lambda run: run.mkdir(), "is missing"),
    ],
    ids=["weights", "history", "missing file", "lock", "unfinished folder", "nothing"],
)
def test_unequal_runs_are_noticed(reference, tmp_path, change, message):
    change(tmp_path / "run")
    with pytest.raises(Failure, match=message):
        checks.same_run(tmp_path / "run", reference)


def test_a_program_that_hangs_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    (tmp_path / "endless.py").write_text("import time\nwhile True: time.sleep(1)\n")
    program = processes.start_fresh("endless", folder=tmp_path)
    with pytest.raises(Failure, match="it hangs"):
        program.wait()


def campaign(tmp_path, **trials):
    faults = {name: Fault(name, trial, 1) for name, trial in trials.items()}
    return Campaign(faults, seed=3, folder=tmp_path)


def survive(trial):
    trial.step(str(trial.rng.random()))


def fail(trial):
    raise Failure("it failed")


def break_down(trial):
    raise KeyError("a mistake in the trial")


def skip(trial):
    raise NotPossible("not here")


def test_a_trial_is_repeated_exactly(tmp_path):
    first, second, other = (
        campaign(tmp_path / name, survive=survive, fail=fail) for name in ("a", "b", "c")
    )
    for name in "abc":
        (tmp_path / name).mkdir()
    assert first.try_one("survive", 4) == second.try_one("survive", 4)
    assert other.try_one("survive", 5).steps != first.try_one("survive", 6).steps


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_kind_is_tried_at_once(tmp_path, jobs):
    outcomes = list(campaign(tmp_path, a=survive, b=fail, c=skip, d=break_down).run_for(0, jobs))
    results = {outcome.kind: outcome.result for outcome in outcomes}
    assert results == {"a": SURVIVED, "b": FAILED, "c": NOT_POSSIBLE, "d": FAILED}
    assert list(tmp_path.iterdir()) == []


def test_a_campaign_ends_when_everything_fails(tmp_path):
    outcomes = list(campaign(tmp_path, a=fail).run_for(60, jobs=1))
    assert [outcome.number for outcome in outcomes] == list(range(MOST_FAILURES))


def test_the_table_counts():
    outcomes = [Outcome("a", 0, SURVIVED), Outcome("b", 0, FAILED), Outcome("a", 1, SURVIVED)]
    assert table(outcomes).splitlines() == [
        "| fault | tried | survived |",
        "| --- | ---: | ---: |",
        "| a | 2 | 2 |",
        "| b | 1 | 0 |",
        "| all | 3 | 2 |",
    ]
    assert "| all | 3 | 2 | 1 |" in table([*outcomes, Outcome("c", 0, NOT_POSSIBLE)])


def test_every_damage_changes_a_file(tmp_path):
    content = '{"a": [1, 2, {"b": "text"}], "c": null}'
    for number, how in enumerate((*damage.ANY, damage.change_json)):
        path = tmp_path / f"file-{number}"
        path.write_text(content)
        assert how(path, random.Random(number))
        assert (
            path.is_symlink()
            or not path.is_file()
            or path.stat().st_size > 2**40
            or (path.read_bytes() != content.encode())
        )


@pytest.mark.parametrize("name", sorted(images.ODD))
def test_odd_images_can_be_made(name):
    trial = Trial(random.Random(1), folder=None, reference=None)
    assert isinstance(images.ODD[name](trial), bytes)


def test_a_strike_comes_before_a_file_operation(tmp_path):
    (tmp_path / "writer.py").write_text(
        "import pathlib\n"
        "for number in range(5):\n"
        "    pathlib.Path(f'{pathlib.Path.cwd()}/data/{number}').write_text('x')\n"
    )
    (tmp_path / "data").mkdir()
    log = tmp_path / "log"
    strike = Strike(str(tmp_path / "data"), number=4, log=str(log))
    done = processes.run("writer", folder=tmp_path, strike=strike)
    assert done.status == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["0", "1", "2"]
    assert len(log.read_text().splitlines()) == 4


# Kinds whose every trial is refused early; the others train, and CI's campaign tries them all.
@pytest.mark.parametrize("kind", ["gin", "argument"])
def test_a_cheap_kind(tmp_path, kind):
    outcome = Campaign(FAULTS, seed=0, folder=tmp_path).try_one(kind, 0)
    assert outcome.result == SURVIVED, outcome
