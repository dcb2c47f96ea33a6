"""The folder that a report is written to, and how a new report takes the place of the old one.

A report stands beside folders that must stay, such as the runs, so its folder cannot be replaced.
Its files are: the new ones are written to a hidden folder inside, which is then renamed to
`.new-report`. From then on the new report counts. Its files are moved into place one by one, and
a program that is killed meanwhile leaves `.new-report` behind, from which `repair` goes on.
"""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from dvn_runtime.files import read_json
from dvn_tf.errors import UserError
from dvn_tf.files import PARTIAL, to_disk

_STAGING = f"{PARTIAL}report-"
_NEW = ".new-report"
_NAMES = ".names.json"  # of all files of the new report, wherever each of them is by now


def check_free(
    folder: pathlib.Path, runs: pathlib.Path, endings: tuple[str, ...], needed: str = ""
) -> None:
    """Checks that replacing the report in a folder loses nothing that another program put there.

    Args:
        folder: the folder; it may be missing, and it may hold the runs.
        runs: the folder of the runs.
        endings: those of a report's own files.
        needed: the file that every report has.

    Raises:
        UserError: if there is something else, or the folder cannot be read.
    """
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder} is no folder: give --report_dir another path")
        paths = list(folder.iterdir()) if folder.is_dir() else []
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the report's folder {str(folder)!r}: {reason}") from None
    names = [path.name for path in paths if not path.name.startswith((_STAGING, _NEW))]
    if folder.resolve() in runs.resolve().parents:
        names.remove(runs.resolve().relative_to(folder.resolve()).parts[0])
    inside = [path.name for path in paths if path.name in names and path.is_dir()]
    others = [name for name in names if not name.endswith(endings) or name in inside]
    if others or (names and needed and needed not in names):
        raise UserError(
            f"{folder} holds other files ({(others or names)[0]}), which a report would replace: "
            "give --report_dir a folder of its own, or move them away"
        )


@contextlib.contextmanager
def new_report(folder: pathlib.Path, endings: tuple[str, ...]) -> Iterator[pathlib.Path]:
    """Yields a temporary folder to fill, whose files then replace those of the old report.

    The old report stays as it was until the new one is complete. Folders inside stay in any case:
    the runs may lie there.

    Args:
        folder: the report's folder, created if it does not exist.
        endings: those of a report's own files. Files of the old report that the new one lacks
            are removed.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    repair(folder, endings)
    try:
        with tempfile.TemporaryDirectory(
            prefix=_STAGING, dir=folder, ignore_cleanup_errors=True
        ) as temporary:
            new = pathlib.Path(temporary)
            yield new
            names = sorted(file.name for file in new.iterdir())
            (new / _NAMES).write_text(json.dumps(names), encoding="utf-8")
            for file in new.iterdir():
                to_disk(file)  # the bytes must be on disk before the name is
            to_disk(new)
            os.rename(new, folder / _NEW)
            to_disk(folder)
        _move(folder, endings)
    except BaseException:
        for path in made:  # nothing is left of a report that was not written
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def repair(folder: pathlib.Path, endings: tuple[str, ...]) -> None:
    """Finishes what a killed program began, so that the folder holds one whole report.

    Args:
        folder: the report's folder; it may be missing.
        endings: those of a report's own files.

    Raises:
        OSError: if the files cannot be moved.
        UserError: if the list of the new report's files is damaged.
    """
    for leftover in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if (folder / _NEW).is_dir():
        _move(folder, endings)


def _move(folder: pathlib.Path, endings: tuple[str, ...]) -> None:
    """Moves a complete new report into place; it may have been begun already."""
    new = folder / _NEW
    names = read_json(new / _NAMES)
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name == os.path.basename(name) for name in names
    ):
        raise UserError(f"{new / _NAMES} is damaged: delete {new}, and write the report again")
    for old in folder.iterdir():
        if old.name not in names and old.name.endswith(endings) and old.is_file():
            old.unlink()
    for name in names:
        if (new / name).is_file():
            os.replace(new / name, folder / name)
    to_disk(folder)
    # Renamed first: without its list of names it would be no new report that can be moved.
    leftover = folder / f"{_STAGING}moved"
    os.rename(new, leftover)
    shutil.rmtree(leftover, ignore_errors=True)
