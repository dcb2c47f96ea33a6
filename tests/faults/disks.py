"""Small disks and read-only folders, in a view of the file system that this campaign has alone."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

from tests.faults.fault import NotPossible

_MARK = "DVN_TF_FAULTS_OWN_MOUNTS"


def isolate(module: str, arguments: list[str]) -> None:
    """Starts this program again where it may mount disks that nobody else sees.

    They vanish with the program. Where the system does not allow that, nothing happens, and
    `small_disk` raises `NotPossible`.
    """
    if _MARK in os.environ or shutil.which("unshare") is None:
        return
    # Root may do it as it is; others get a view in which they are root.
    for rights in ([], ["--map-root-user"]):
        command = ["unshare", "--mount", *rights]
        trial = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if subprocess.run(trial, capture_output=True).returncode == 0:
            os.environ[_MARK] = "1"
            os.execvp("unshare", [*command, sys.executable, "-m", module, *arguments])


class SmallDisk:
    """A disk of a few pages, in memory.

    Args:
        folder: where it is mounted.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def resize(self, size: int) -> None:
        """Changes its size in bytes."""
        _mount("-o", f"remount,size={size}", self.folder)

    def protect(self) -> None:
        """Makes it read-only."""
        _mount("-o", "remount,ro", self.folder)

    def free(self) -> int:
        """The bytes that are free."""
        return shutil.disk_usage(self.folder).free


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, size: int) -> Iterator[SmallDisk]:
    """Mounts a small disk.

    Args:
        folder: a folder to make and mount it in.
        size: in bytes; whole pages are used.

    Raises:
        NotPossible: if this system does not allow that.
    """
    if _MARK not in os.environ:
        raise NotPossible("no disks may be mounted here")
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise NotPossible(f"mount: {done.stderr.strip()}")
