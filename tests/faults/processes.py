"""Starts the project's programs as child processes, waits for them, and kills them."""

import dataclasses
import itertools
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

from tests.faults import child
from tests.faults.fault import Failure

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 150  # seconds after which a program hangs; the longest here takes about ten

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [
        "dvn_tf.export",
        "dvn_tf.training.configuration",
        "dvn_tf.training.runs",
        "tests.faults.answers",
        "tests.wrong_settings",
    ]
)
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Done:
    """A program that ended.

    Attributes:
        command: what ran, for messages.
        status: its exit status; minus the number of the signal that ended it.
        stdout: what it printed.
        stderr: its messages.
        seconds: how long it took.
    """

    command: str
    status: int
    stdout: str
    stderr: str
    seconds: float


class Program:
    """A program that runs.

    Args:
        command: what runs, for messages.
        process: of `multiprocessing` or `subprocess`.
        files: where its output and its messages go.
    """

    def __init__(self, command: str, process, files: tuple[pathlib.Path, pathlib.Path]):
        self._command = command
        self._process = process
        self._files = files
        self._started = time.monotonic()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def send(self, number: int) -> None:
        """Sends a signal, to a process started by `start_fresh` as a terminal would."""
        if self._wait(0):
            return  # it ended already
        if isinstance(self._process, subprocess.Popen):
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def wait_for_child(self) -> None:
        """Waits until the process has started a child: the programs do so first of all."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self._wait(0) and not children.read_text():
            time.sleep(0.01)

    def sleep(self, seconds: float) -> None:
        """Waits some seconds, or until the program ends."""
        self._wait(seconds)

    def strike_after(self, seconds: float, number: int) -> Done:
        """Waits some seconds, sends a signal, and waits for the end."""
        self._wait(seconds)
        self.send(number)
        return self.wait()

    def wait(self) -> Done:
        """Waits for the end.

        Raises:
            Failure: if the program hangs.
        """
        if not self._wait(PATIENCE):
            self.send(signal.SIGKILL)
            self._wait(PATIENCE)
            raise Failure(f"it hangs: no end within {PATIENCE} s: {self._command}")
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in self._files]
        seconds = time.monotonic() - self._started
        return Done(self._command, self._status(), *texts, seconds)

    def _wait(self, seconds: float) -> bool:
        if isinstance(self._process, subprocess.Popen):
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True
        self._process.join(seconds)
        return self._process.exitcode is not None

    def _status(self) -> int:
        if isinstance(self._process, subprocess.Popen):
            return self._process.returncode
        return self._process.exitcode


def start(
    module: str, *arguments, folder: pathlib.Path, strike=None, file_limit: int | None = None
) -> Program:
    """Starts a program in a fork of a process that has TensorFlow.

    Args:
        module: such as "experiments.joint".
        *arguments: its arguments.
        folder: where it runs; its output goes to files there.
        strike: a `child.Strike`.
        file_limit: the greatest size of a file that it may write, in bytes.
    """
    arguments = tuple(map(str, arguments))
    files = _output_files(folder)
    what = child.Child(module, arguments, str(folder), *map(str, files), strike, file_limit)
    process = _server.Process(target=child.run, args=(what,))
    process.start()
    return Program(_command(module, arguments), process, files)


def start_fresh(module: str, *arguments, folder: pathlib.Path) -> Program:
    """Starts a program as a user does, with a session of its own, as on a terminal."""
    arguments = tuple(map(str, arguments))
    files = _output_files(folder)
    with open(files[0], "wb") as stdout, open(files[1], "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return Program(_command(module, arguments), process, files)


def run(module: str, *arguments, folder: pathlib.Path, strike=None, file_limit=None) -> Done:
    """Like `start`, and waits for the end."""
    return start(module, *arguments, folder=folder, strike=strike, file_limit=file_limit).wait()


def _output_files(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    number = next(_numbers)
    return folder / f"stdout-{number}", folder / f"stderr-{number}"


def _command(module: str, arguments: tuple[str, ...]) -> str:
    shown = " ".join(
        argument if len(argument) < 200 else f"{argument[:60]}..." for argument in arguments
    )
    return f"{module} {shown}".encode("ascii", "backslashreplace").decode()
