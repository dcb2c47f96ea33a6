"""The lock on a run folder: one process trains in it at a time."""

import contextlib
import datetime
import errno
import os
import pathlib
import socket
from collections.abc import Iterator

import filelock

from dvn_runtime.files import read_json
from dvn_tf.errors import UserError
from dvn_tf.files import write_json, writing
from dvn_tf.machine import is_running

LOCK_FILES = _LOCK, _HOLDER = ".lock", ".lock.json"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def run_lock(folder: pathlib.Path) -> Iterator[None]:
    """Holds the lock on a folder, which is made if it is absent.

    The kernel keeps the lock (`flock`) and frees it when its holder ends in whatever way; a file
    `.lock` that lies about is no lock. On NFS, Linux passes such locks on to the server, so that
    they hold between machines unless NFS was mounted with `local_lock`. Where a file system
    knows no locks, a line says so, and nothing keeps a second process out.

    Args:
        folder: the run's folder.

    Raises:
        UserError: if another process holds the lock, or the folder cannot be written to.
    """
    lock = filelock.FileLock(folder / _LOCK, blocking=False)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise UserError(
                f"{folder} is being trained by {_holder(folder)}: wait for it, or choose another "
                "--run_dir"
            ) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            print(
                f"The file system of {folder} has no locks: make sure that no other process "
                "trains there.",
                flush=True,
            )
    try:
        since = datetime.datetime.now().isoformat(" ", timespec="seconds")
        write_json(
            folder / _HOLDER, {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        )
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _HOLDER).unlink(missing_ok=True)
        lock.release()


def clear_lock(folder: pathlib.Path) -> None:
    """Removes the name that a killed process has left, unless another process holds the lock."""
    if (folder / _HOLDER).exists():
        with contextlib.suppress(UserError, OSError), run_lock(folder):
            pass  # it goes when the lock is released


def _holder(folder: pathlib.Path) -> str:
    """Who holds the lock, as far as it is known: the holder writes that a moment later."""
    try:
        holder = read_json(folder / _HOLDER)
        process, host, since = holder["process"], holder["host"], holder["since"]
        if host == socket.gethostname() and not is_running(process):
            return "another process"  # this one was killed, and the next has written nothing yet
        return f"process {process} on host {host} since {since}"
    except (UserError, LookupError, TypeError):
        return "another process"
