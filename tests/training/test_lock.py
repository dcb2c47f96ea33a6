"""One process trains in a run folder: real processes that hold, die, and begin at one moment."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import filelock
import pytest

from dvn_tf.errors import UserError
from dvn_tf.training import lock
from dvn_tf.training.lock import run_lock

ROOT = pathlib.Path(lock.__file__).parents[2]
# Waits for a moment, takes the lock, says so, and keeps it until its input ends.
HOLD = """
import pathlib, sys, time
from dvn_tf.errors import UserError
from dvn_tf.training.lock import run_lock
print("ready", flush=True)
time.sleep(max(0, float(sys.stdin.readline()) - time.time()))
try:
    with run_lock(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
    sys.exit(1)
"""


@contextlib.contextmanager
def holders(folder, count=1, start=0.0):
    """Processes that ask for the lock at one moment, `start` seconds after all are ready."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        moment = time.time() + start
        for process in processes:
            process.stdin.write(f"{moment}\n")
            process.stdin.flush()
        yield processes, [process.stdout.readline().rstrip("\n") for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def test_the_second_process_learns_who_trains_and_since_when(tmp_path):
    folder = tmp_path / "run"
    with holders(folder) as ([process], lines):
        assert lines == ["held"]
        since = json.loads((folder / ".lock.json").read_text())["since"]
        assert abs(time.mktime(time.strptime(since, "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
        with pytest.raises(UserError) as raised, run_lock(folder):
            pytest.fail("two processes hold the lock")
        assert str(raised.value) == (
            f"{folder} is being trained by process {process.pid} on host {socket.gethostname()} "
            f"since {since}: wait for it, or choose another --run_dir"
        )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_lock_is_free_when_its_holder_has_ended_in_any_way(tmp_path, end):
    with holders(tmp_path) as ([process], lines):
        assert lines == ["held"]
        if end is None:
            process.stdin.close()
        else:
            process.send_signal(end)
        process.wait()
        assert (tmp_path / ".lock.json").exists() == (end is not None)
        with run_lock(tmp_path):
            assert json.loads((tmp_path / ".lock.json").read_text())["process"] == os.getpid()


def test_of_processes_that_begin_at_the_same_moment_one_wins(tmp_path):
    for attempt in range(2):
        folder = tmp_path / f"run{attempt}"
        with holders(folder, count=3, start=0.3) as (_, lines):
            assert sorted(line == "held" for line in lines) == [False, False, True]
            for line in lines:
                assert line == "held" or line.startswith(f"{folder} is being trained by ")


def test_the_files_of_a_lock_in_a_copied_folder_lock_nothing(tmp_path):
    with run_lock(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        assert (tmp_path / "copy" / ".lock.json").exists()
        with run_lock(tmp_path / "copy"):
            pass


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"process": 1', None])
def test_a_holder_that_has_not_said_who_it_is(tmp_path, content):
    with filelock.FileLock(tmp_path / ".lock"):
        if content is not None:
            (tmp_path / ".lock.json").write_text(content)
        with pytest.raises(UserError, match="is being trained by another process: wait"):
            run_lock(tmp_path).__enter__()


def test_a_name_left_by_a_killed_process_is_not_taken_for_the_holder(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    about = {"process": gone.pid, "host": socket.gethostname(), "since": "2026-01-01 00:00:00"}
    (tmp_path / ".lock.json").write_text(json.dumps(about))
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match="by another process"),
    ):
        run_lock(tmp_path).__enter__()


def test_the_next_may_hold_it_and_nothing_but_an_empty_file_stays(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), run_lock(tmp_path):
            raise KeyError
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        assert (tmp_path / ".lock").stat().st_size == 0


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with run_lock(tmp_path):
        assert "has no locks" in capsys.readouterr().out


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"), run_lock(tmp_path / "file"):
        pass
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write"), run_lock(tmp_path / "run"):
        pass


def test_the_name_of_a_killed_process_goes_unless_another_holds_the_lock(tmp_path):
    (tmp_path / ".lock.json").write_text("{}")
    lock.clear_lock(tmp_path)
    assert not (tmp_path / ".lock.json").exists()
    with holders(tmp_path) as (_, lines):
        assert lines == ["held"]
        lock.clear_lock(tmp_path)
        assert (tmp_path / ".lock.json").exists()
