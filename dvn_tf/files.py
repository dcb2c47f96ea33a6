"""Atomic files and folders: they are written whole or not at all.

A kill or a power cut at any moment leaves the old file or the new one, because content and name
reach the disk one after the other. What a file system refuses (it is full, read-only or broken)
becomes a `UserError` of one line.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator

from dvn_tf.errors import UserError
from dvn_tf.machine import is_running

PARTIAL = ".partial-"  # how the names of unfinished files and folders begin
_HOST = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:20] or "host"
_OWNER = re.compile(re.escape(PARTIAL) + r"([A-Za-z0-9._]+)-(\d+)-[0-9a-f]{8}-")
_OLD_NAME = re.compile(re.escape(PARTIAL) + r"\d+-")  # versions before 0.4 wrote such names
_DAY = 24 * 60 * 60  # seconds
_FULL = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
}
# What a library may meet while it fills a file; any other error in its code is its own.
_REFUSED = {*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@contextlib.contextmanager
def writing(path: str | os.PathLike, size: int | None = None) -> Iterator[None]:
    """Turns a file system's refusal to write into a `UserError` that names the file.

    Args:
        path: what is written, for the message.
        size: its size in bytes, if it is known.

    Raises:
        UserError: if the code inside raises an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise UserError(_refusal(pathlib.Path(path), error, size)) from error


@contextlib.contextmanager
def refusals_of_libraries() -> Iterator[None]:
    """Turns what libraries in C++ make of a full or read-only disk into an `OSError` again."""
    try:
        yield
    except (OSError, UserError):
        raise
    except Exception as error:
        for number in _REFUSED:
            if os.strerror(number).lower() in str(error).lower():
                raise OSError(number, os.strerror(number)) from error
        raise


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike, size: int | None = None) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, and renames it to `path` once it is complete.

    The temporary name ends like the real one, because libraries choose the format by the ending.

    Args:
        path: the file to write; its folder is created if it does not exist.
        size: the size in bytes, if it is known; the message about a full disk states it.

    Raises:
        UserError: if the file cannot be written. An old file of this name is still there.
    """
    path = pathlib.Path(path)
    temporary = _temporary(path)
    try:
        with writing(path, size):
            _make_folder(path.parent)
        with _filling(path, temporary, size):
            yield temporary
        with writing(path, size):
            to_disk(temporary)  # the bytes must be on disk before the name is
            os.replace(temporary, path)
            to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder to fill, and renames it to `path` once it is complete.

    Args:
        path: the folder to write; its parent is created if it does not exist. An old folder of
            this name is replaced.

    Raises:
        UserError: if the folder cannot be written. An old folder of this name is still there.
    """
    path = pathlib.Path(path)
    new, old = _temporary(path), path.with_name(f".old-{path.name}")
    try:
        with writing(path):
            _make_folder(path.parent)
            if old.exists() and not path.exists():
                os.replace(old, path)  # a program was killed between the two renames below
            before_0_4 = path.with_name(f".new-{path.name}")
            for leftover in (old, before_0_4):
                shutil.rmtree(leftover, ignore_errors=True)
            for other in path.parent.glob(f"{PARTIAL}*"):
                if other.name.endswith(_ending(path)) and _is_abandoned(other):
                    _remove(other)
            new.mkdir()
        with _filling(path, new):
            yield new
        with writing(path):
            for inside in new.rglob("*"):
                to_disk(inside)
            to_disk(new)
            # A folder cannot replace one that is not empty, so the old one is moved aside first.
            if path.exists():
                os.replace(path, old)
            os.replace(new, path)
            to_disk(path.parent)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def clear_partial(folder: str | os.PathLike, all_of_them: bool = False) -> None:
    """Removes the unfinished files and folders that killed programs have left in a folder.

    Args:
        folder: the folder; those inside it are searched, too.
        all_of_them: whether to remove also what may still be written, by a program on another
            machine for example. Only who holds a lock on the folder may do that.

    Raises:
        UserError: if one cannot be removed.
    """
    with writing(folder):
        for partial in list(pathlib.Path(folder).rglob(f"{PARTIAL}*")):
            if all_of_them or _is_abandoned(partial):
                _remove(partial)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file atomically.

    Raises:
        UserError: as `atomic_file`.
    """
    with atomic_file(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file atomically.

    Raises:
        UserError: as `atomic_file`.
    """
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as indented JSON, atomically.

    Raises:
        UserError: as `atomic_file`.
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def to_disk(path: pathlib.Path) -> None:
    """Waits until a file's bytes, or a folder's names, are on disk.

    Args:
        path: the file or folder.

    Raises:
        OSError: if the disk refuses.
    """
    if path.is_symlink() or not (path.is_file() or os.access(path, os.R_OK)):
        return  # a link's target is not ours; a folder may be writable and yet not be read
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # Some file systems cannot do this for folders; then there is nothing to wait for.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF) or not path.is_dir():
            raise
    finally:
        os.close(opened)


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file in hexadecimal digits. The file is not read whole.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


@contextlib.contextmanager
def _filling(path: pathlib.Path, temporary: pathlib.Path, size: int | None = None):
    """As `writing`, around the code of a caller, which may also read other files."""
    try:
        yield
    except OSError as error:
        own = error.filename is None or str(error.filename).startswith(str(temporary))
        if error.errno not in _REFUSED or not own:
            raise
        raise UserError(_refusal(path, error, size, temporary)) from error


def _refusal(
    path: pathlib.Path,
    error: OSError,
    size: int | None,
    temporary: pathlib.Path | None = None,
) -> str:
    """The line about a file that cannot be written."""
    if error.errno not in _FULL:
        return (
            f"cannot write {path}: {error.strerror or error}; choose another place, or make this "
            "one writable and run the same command again"
        )
    needed = f"{size / 1e6:,.2f} MB were needed, " if size is not None else ""
    try:
        existing = next(folder for folder in path.parents if folder.is_dir())
        written = temporary.stat().st_size if temporary is not None and temporary.is_file() else 0
        free = f"{(shutil.disk_usage(existing).free + written) / 1e6:,.2f} MB are free"
    except (OSError, StopIteration):
        free = "nobody knows how many are free"
    return (
        f"cannot write {path}: {_FULL[error.errno]} ({needed}{free}): free some space and run the "
        "same command again"
    )


def _temporary(path: pathlib.Path) -> pathlib.Path:
    """A name that no other program on any machine chooses."""
    return path.with_name(
        f"{PARTIAL}{_HOST}-{os.getpid()}-{secrets.token_hex(4)}-{_ending(path).lstrip('-')}"
    )


def _ending(path: pathlib.Path) -> str:
    """What a temporary name ends with. A name of full length would leave no room for the rest."""
    return f"-{path.name[-40:]}"


def _is_abandoned(partial: pathlib.Path) -> bool:
    """Whether the program that wrote an unfinished file is gone, as far as can be known here."""
    owner = _OWNER.match(partial.name)
    if owner is None and _OLD_NAME.match(partial.name):
        return True
    if owner and owner[1] == _HOST:
        return not is_running(int(owner[2]))
    try:
        return time.time() - partial.stat().st_mtime > _DAY
    except OSError:
        return False  # gone already


def _remove(partial: pathlib.Path) -> None:
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _make_folder(folder: pathlib.Path) -> None:
    """Makes a folder and those above it; their names reach the disk, too."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        to_disk(made.parent)
