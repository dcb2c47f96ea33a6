"""Reads files that strangers may have written, and writes files whole or not at all.

Only regular files are read, of bounded size and depth.
"""

import contextlib
import json
import math
import os
import pathlib
import stat

from dvn_runtime.errors import UserError, shown

JSON_LIMIT = 64 * 2**20  # bytes; the largest manifest or history of this project has some thousands
_WHOLE_NUMBERS = 2**63  # beyond what NumPy and the counts of this project can hold


def read_bytes(path: str | os.PathLike, limit: int) -> bytes:
    """Reads a regular file whole.

    A named pipe, a device or a folder is refused before it is opened: opening a pipe would wait
    for somebody to write to it.

    Args:
        path: the file; links are followed.
        limit: the greatest size in bytes.

    Raises:
        UserError: if there is no such file, or it is not regular, too large or not readable. The
            message names the file and says why.
    """
    try:
        path = pathlib.Path(os.fsdecode(path))
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a regular file: put a file there, or name another path")
        if status.st_size > limit:
            raise UserError(
                f"{path} has {status.st_size:,} bytes, and at most {limit:,} are read: it is not "
                "the file that it should be"
            )
        with open(path, "rb") as file:
            content = file.read(min(limit, status.st_size) + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UserError:
        raise
    # A null byte in the path, characters that have no bytes, or no path at all.
    except (ValueError, TypeError) as error:
        raise UserError(f"{shown(path)} is no path: {error}") from None
    if len(content) > limit:
        raise UserError(f"{path} grew while it was read: wait until it is written, and try again")
    return content


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file whole or not at all: a file of that name is replaced at the end.

    Args:
        path: the file.
        text: its content.

    Raises:
        UserError: if it cannot be written; an old file of this name is still there.
    """
    check_target(path)
    path, partial = pathlib.Path(path), None
    try:
        partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
        with open(partial, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def check_target(path: str | os.PathLike) -> None:
    """Checks that a file can be written, as far as that can be told before it is.

    Args:
        path: the file.

    Raises:
        UserError: if its folder is missing, or something else than a regular file has its name.
    """
    try:
        path = pathlib.Path(path)
        if "\0" in str(path):
            raise ValueError("embedded null byte")
        if path.exists() and not path.is_file():  # to replace a device would remove it
            raise UserError(f"cannot write {path}: it is not a regular file")
        if not path.with_name("x").parent.is_dir():
            raise UserError(f"cannot write {path}: its folder does not exist")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    except UserError:
        raise
    except ValueError as error:  # no name, or that byte in it
        raise UserError(f"{shown(path)} is no path to write to: {error}") from None


def read_json(path: str | os.PathLike, limit: int = JSON_LIMIT):
    """Reads a JSON file strictly.

    Refused are keys that stand twice, of which `json` would silently keep the last; NaN and
    infinite numbers, which JSON does not have; whole numbers of more than 64 bits; and values
    nested too deeply.

    Args:
        path: the file.
        limit: the greatest size in bytes.

    Raises:
        UserError: as `read_bytes`, or if the file holds no JSON. The message names the file.
    """
    return parse_json(read_bytes(path, limit), path)


def parse_json(content: bytes, name: str | os.PathLike):
    """Parses JSON strictly, as `read_json` does.

    Args:
        content: the text, in UTF-8.
        name: what messages call it, such as the path of its file.

    Raises:
        UserError: if it is no JSON.
    """
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_int=_whole_number,
            parse_float=_number,
            parse_constant=_number,
        )
    except RecursionError:
        raise UserError(f"{name} is not JSON of ours: it is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{name} is not JSON: {error}") from None


def _unique_keys(pairs: list[tuple]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(doubled)} stands twice")
    return content


def _whole_number(text: str) -> int:
    if len(text) > 20 or abs(int(text)) >= _WHOLE_NUMBERS:
        raise ValueError(f"the number {text:.25} is too large")
    return int(text)


def _number(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"the number {text:.25} is not finite")
    return float(text)
