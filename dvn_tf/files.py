"""Atomic files and folders: they are written whole or not at all."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator

PARTIAL = ".partial-"  # how the names of unfinished files begin


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, and renames it to `path` once it is complete.

    A program that is killed at any moment leaves either the old file or the new one. The
    temporary name ends like the real one, because libraries choose the format by the ending.

    Args:
        path: the file to write; its folder is created if it does not exist.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # the bytes must be on disk before the name is
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder to fill, and renames it to `path` once it is complete.

    Args:
        path: the folder to write; its parent is created if it does not exist. An old folder of
            this name is replaced.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{age}-{path.name}") for age in ("new", "old"))
    if old.exists() and not path.exists():
        os.replace(old, path)  # a program was killed between the two renames below
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        new.mkdir()
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                with open(file, "rb") as opened:
                    os.fsync(opened.fileno())  # the bytes must be on disk before the name is
        # A folder cannot replace one that is not empty, so the old one is moved aside first.
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def clear_partial(folder: str | os.PathLike) -> None:
    """Removes the unfinished files that killed programs have left in a folder."""
    for partial in pathlib.Path(folder).rglob(f"{PARTIAL}*"):
        partial.unlink()


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")
