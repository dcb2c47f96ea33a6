"""Every ending of a program is one line and a status; Ctrl-C works at every moment."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
START = """
import os, signal, sys, threading, time
from experiments import endings
endings.install()
def ctrl_c(): os.kill(os.getpid(), signal.SIGINT)
def term(): os.kill(os.getpid(), signal.SIGTERM)
"""
RUN = "sys.exit(endings.run(work, lambda: 'this is left', debug='--debug' in sys.argv))"


# {case: (body of the work, status, the only line)}
ENDS = {
    "nothing": ("pass", 0, ""),
    "status": ("return 3", 3, ""),
    "user error": (
        "from dvn_runtime.errors import UserError; raise UserError('a\\nb \\x1b[2J')",
        1,
        "error: a b \\x1b[2J",
    ),
    "unforeseen": ("{}['key']", 70, "error: unexpected KeyError: 'key' (--debug shows the"),
    "memory": ("raise MemoryError", 70, "error: unexpected MemoryError (--debug shows the"),
    "recursion": ("work()", 70, "error: unexpected RecursionError: maximum recursion depth"),
    "a group": (
        "raise ExceptionGroup('two', [ValueError(1), OSError(2)])",
        70,
        "error: unexpected ExceptionGroup: two (2 sub-exceptions) (--debug",
    ),
    "no message": (
        "E = type('E', (Exception,), {'__str__': lambda self: 1 / 0}); raise E",
        70,
        "error: unexpected E (--debug",
    ),
    "undecodable": ("raise OSError(os.fsdecode(b'\\xff'))", 70, "OSError: \\udcff (--debug"),
    "exit": ("sys.exit(5)", 5, ""),
    "atexit": ("import atexit; atexit.register(lambda: 1 / 0)", 0, ""),
    "thread": (
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
        0,
        "error: unexpected ZeroDivisionError: division by zero",
    ),
    "deleted object": (
        "D = type('D', (), {'__del__': lambda self: 1 / 0}); D()",
        0,
        "warning: ignored ZeroDivisionError: division by zero",
    ),
    "interrupt": ("ctrl_c(); time.sleep(9)", 130, "interrupted: this is left"),
    "interrupt turned into another error": (
        "try:\n  ctrl_c(); time.sleep(9)\n except BaseException as e: raise ImportError from e",
        130,
        "interrupted: this is left",
    ),
    "interrupt swallowed": (
        "try:\n  ctrl_c(); time.sleep(9)\n except BaseException: pass",
        130,
        "interrupted: this is left",
    ),
    "interrupt while an object is deleted": (
        "D = type('D', (), {'__del__': lambda self: (ctrl_c(), time.sleep(9))}); D(); "
        "time.sleep(9)",
        130,
        "interrupted: this is left",
    ),
    "interrupt in a C callback": (
        "import ctypes; c = ctypes.CFUNCTYPE(None)(lambda: (ctrl_c(), time.sleep(9))); c(); "
        "time.sleep(9)",
        130,
        "interrupted: this is left",
    ),
    "two interrupts": (
        "try:\n  ctrl_c(); time.sleep(9)\n finally: ctrl_c(); time.sleep(9)",
        130,
        "interrupted twice: ended at once",
    ),
    "interrupt of an import": (
        "with endings.starting():\n"
        "  try:\n   ctrl_c(); time.sleep(9)\n  except BaseException: pass\n time.sleep(9)",
        130,
        "interrupted: the program was still starting and has written nothing",
    ),
    "SIGTERM": ("term(); time.sleep(9)", 143, "interrupted: this is left"),
    "SIGTERM swallowed": (
        "try:\n  term(); time.sleep(9)\n except BaseException: pass",
        143,
        "interrupted: this is left",
    ),
    "SIGTERM while an object is deleted": (
        "D = type('D', (), {'__del__': lambda self: (term(), time.sleep(9))}); D(); time.sleep(9)",
        143,
        "interrupted: this is left",
    ),
    "SIGTERM of an import": (
        "with endings.starting(): term(); time.sleep(9)",
        143,
        "interrupted: the program was still starting and has written nothing",
    ),
    "SIGTERM after an interrupt": (
        "try:\n  ctrl_c(); time.sleep(9)\n finally: term(); time.sleep(9)",
        143,
        "interrupted twice: ended at once",
    ),
    "an end of its own": ("raise endings.Ended(143, 'stopped\\nhere')", 143, "stopped here"),
    "interrupt at the end": (
        "import atexit; atexit.register(ctrl_c)",
        130,
        "interrupted: the work was already done",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_one_line_and_a_status(case, run_python):
    body, status, line = ENDS[case]
    started = time.monotonic()
    done = run_python(f"{START}\ndef work():\n {body}\n{RUN}")
    assert time.monotonic() - started < 8
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == bool(line), done.stderr
    assert line in done.stderr


def test_debug_shows_the_traceback(run_python):
    done = run_python(f"{START}\ndef work(): 1 / 0\n{RUN}", args=["--debug"])
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert "def work(): 1 / 0" in done.stderr or "ZeroDivisionError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: unexpected ZeroDivisionError: division")


def test_an_error_before_the_work_is_one_line(run_python):
    done = run_python(START + "import no_such_module")
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1
    assert "unexpected ModuleNotFoundError: No module named 'no_such_module'" in done.stderr


def shell(command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", sys.executable],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_reader_that_went_away_is_no_error(tmp_path):
    code = f"{START}\ndef work():\n for n in range(10**6): print(n)\n{RUN}"
    (tmp_path / "program.py").write_text(code)
    done = shell(f"PYTHONPATH=. $0 {tmp_path}/program.py | head -1")
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")


def test_output_that_cannot_be_written(tmp_path):
    (tmp_path / "program.py").write_text(f"{START}\ndef work(): print('text')\n{RUN}")
    done = shell(f"PYTHONPATH=. $0 {tmp_path}/program.py > /dev/full")
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1 and "No space left on device" in done.stderr
    (tmp_path / "program.py").write_text(f"{START}\ndef work(): 1 / 0\n{RUN}")
    assert shell(f"PYTHONPATH=. $0 {tmp_path}/program.py 2> /dev/full").returncode == 70
    assert shell(f"PYTHONPATH=. $0 {tmp_path}/program.py 2>&- >&-").returncode == 70


def test_names_that_are_no_characters_are_printed(run_python):
    done = run_python(f"{START}\ndef work(): print(os.fsdecode(b'\\xff'))\n{RUN}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\udcff\n", "")


def test_a_background_job_keeps_ignoring_interrupts():
    code = f"{START}\ndef work(): ctrl_c(); time.sleep(0.1); print('on')\n{RUN}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "on\n")


def interrupted_after(seconds: float, module: str, *arguments: str, folder: pathlib.Path):
    """A program as a user starts it, after Ctrl-C in its terminal: all of its processes get it."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=folder, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("program", ["compare", "joint", "predict"])
def test_ctrl_c_while_a_program_starts(program, tmp_path):
    (tmp_path / "runs").mkdir()
    arguments = {
        "compare": ["--runs=runs"],
        "joint": ["--gin_file=gin/quickstart.gin"],
        "predict": ["--export_dir=runs", "--task=a", "image.png"],
    }[program]
    # Python itself needs some milliseconds until it runs any code of a program.
    moments = random.Random().sample(range(100, 180 if program == "predict" else 2000), 3)
    for moment in moments:
        status, errors = interrupted_after(
            moment / 1000, f"experiments.{program}", *arguments, folder=tmp_path
        )
        lines = errors.splitlines()
        assert len(lines) == 1, (moment, errors)
        if program != "predict" or status != 1:  # that may be done already
            assert status == 130, (moment, errors)
            assert lines[0].startswith("interrupted: "), (moment, errors)
        assert [path.name for path in tmp_path.iterdir()] == ["runs"], moment
