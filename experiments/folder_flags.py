"""Flags that name folders and files: checked before anything is imported or written."""

import functools
import os

from absl import flags

flags.disclaim_key_flags()  # flags defined here are the calling program's, and in its --help


def define_folder(
    name: str, default: str | None, help: str, *, exists: bool = False, required: bool = False
) -> flags.FlagHolder:
    """Defines a flag that names a folder.

    Args:
        name: the flag's.
        default: its value where it is not given.
        help: what --help says.
        exists: whether the folder is to be read, so it must exist. Otherwise it may be written:
            what exists of its path must be folders, and it must be possible to make the rest.
        required: whether the flag must be given.
    """
    holder = flags.DEFINE_string(name, default, help, required=required)
    flags.register_validator(holder, functools.partial(_check, exists=exists))
    return holder


def define_file(name: str, default: str | None, help: str, *, ending: str) -> flags.FlagHolder:
    """Defines a flag that names a file to write.

    Args:
        name: the flag's.
        default: its value where it is not given.
        help: what --help says.
        ending: how the file's name must end, such as ".gin".
    """
    holder = flags.DEFINE_string(name, default, help)
    flags.register_validator(holder, functools.partial(_check_file, ending=ending))
    return holder


def check_text(path: str) -> None:
    """Checks that a path can be the name of a file.

    Raises:
        flags.ValidationError: if it is empty, or has a null byte or bytes that are no characters.
    """
    if not path:
        raise flags.ValidationError("the path is empty: name a folder, or leave the flag out")
    if "\0" in path:
        raise flags.ValidationError("no path has a null byte: name another folder")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise flags.ValidationError(
            "the path has bytes that are no characters in UTF-8: rename the folder"
        ) from None


def _check(path: str | None, exists: bool) -> bool:
    if path is None:
        return True
    check_text(path)
    try:
        if exists:
            _check_readable(path)
        else:
            _check_writable(path)
    except OSError as error:
        raise flags.ValidationError(f"cannot use the folder: {error.strerror or error}") from None
    return True


def _check_file(path: str | None, ending: str) -> bool:
    if path is None:
        return True
    check_text(path)
    if not path.endswith(ending):
        raise flags.ValidationError(f"the file's name must end with {ending}: name another file")
    try:
        if os.lstat(path) and not os.path.isfile(path):
            raise flags.ValidationError("this is no file: name another one")
    except (FileNotFoundError, NotADirectoryError):
        pass  # it is to be written, and its folder is checked
    except OSError as error:
        raise flags.ValidationError(f"cannot use the file: {error.strerror or error}") from None
    return _check(os.path.dirname(os.path.abspath(path)), exists=False)


def _check_readable(path: str) -> None:
    try:
        os.stat(path)
    except FileNotFoundError:
        raise flags.ValidationError("there is no folder of this name: check the path") from None
    if not os.path.isdir(path):
        raise flags.ValidationError("this is no folder: name one that exists")
    os.scandir(path).close()


def _check_writable(path: str) -> None:
    parent = os.path.abspath(path)
    while not os.path.lexists(parent):
        try:
            os.lstat(parent)
        except (FileNotFoundError, NotADirectoryError):
            parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise flags.ValidationError(f"{parent} is no folder: name another path")
    # A folder that is there may hold a finished run, which is only read.
    if parent != os.path.abspath(path) and not os.access(parent, os.W_OK | os.X_OK):
        raise flags.ValidationError(f"the folder {parent} is read-only: name another path")
