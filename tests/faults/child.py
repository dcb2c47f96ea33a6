"""What happens inside a child process before and while a program runs: limits, and faults.

A child is forked where TensorFlow is imported already, which saves the seconds of its import.
"""

import dataclasses
import os
import resource
import runpy
import signal
import sys

from experiments import framework_logs

# What Python reports to audit hooks whenever a file or folder is opened, made, moved or removed.
_EVENTS = frozenset(("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"))
_MEMORY = 12 * 2**30  # bytes of address space; TensorFlow itself reserves about half


@dataclasses.dataclass(frozen=True)
class Strike:
    """A signal that a program gets just before it does something to a file.

    Attributes:
        folder: the files below it count; the path is absolute.
        number: which file operation it is, from 1; 0 strikes never.
        name: instead of a number, the name of the file: its first renaming is the moment.
        signal: the signal.
        log: a file that lists the operations, for counting them.
    """

    folder: str
    number: int = 0
    name: str | None = None
    signal: int = signal.SIGKILL
    log: str | None = None

    def watch(self) -> None:
        """Strikes in this process from now on."""
        done, here = 0, os.getcwd()
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if self.log else None

        def hook(event, arguments):
            nonlocal done
            if event not in _EVENTS:
                return
            paths = arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]
            paths = [os.fsdecode(path) for path in paths if not isinstance(path, int)]
            paths = [os.path.join(here, path) for path in paths]
            if not any(path.startswith(self.folder) for path in paths):
                return
            done += 1
            if log is not None:
                os.write(log, f"{event} {' '.join(paths)}\n".encode("utf-8", "replace"))
            named = event == "os.rename" and os.path.basename(paths[-1]) == self.name
            if done == self.number or named:
                os.kill(os.getpid(), self.signal)

        sys.addaudithook(hook)


@dataclasses.dataclass(frozen=True)
class Child:
    """A program to run in a process of its own.

    Attributes:
        module: such as "experiments.joint".
        arguments: its arguments.
        folder: where it runs.
        stdout: the file that gets its output.
        stderr: the file that gets its messages.
        strike: a fault that strikes inside it.
        file_limit: the greatest size of a file that it may write, in bytes.
    """

    module: str
    arguments: tuple[str, ...]
    folder: str
    stdout: str
    stderr: str
    strike: Strike | None = None
    file_limit: int | None = None


def run(child: Child) -> None:
    """Runs the program as `python -m` does; the target of a forked process."""
    os.chdir(child.folder)
    for number, path in ((1, child.stdout), (2, child.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    framework_logs.hide()  # a fork may log before the program hides it itself
    if child.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (child.file_limit, resource.RLIM_INFINITY))
    if child.strike is not None:
        child.strike.watch()
    sys.path.insert(0, child.folder)  # as `python -m` does
    sys.argv = [child.module, *child.arguments]
    try:
        runpy.run_module(child.module, run_name="__main__", alter_sys=True)
    except Exception:
        sys.excepthook(*sys.exc_info())  # `multiprocessing` would not ask it
        sys.exit(1)
