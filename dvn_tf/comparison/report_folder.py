"""The folder that a report is written to."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator

from dvn_tf.errors import UserError
from dvn_tf.files import PARTIAL


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
        UserError: if there is something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: give --report_dir another folder")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if folder.resolve() in runs.resolve().parents:
        names.remove(runs.resolve().relative_to(folder.resolve()).parts[0])
    others = [name for name in names if not name.endswith(endings)]
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder.parent) as temporary:
        new = pathlib.Path(temporary)
        yield new
        folder.mkdir(exist_ok=True)
        names = {file.name for file in new.iterdir()}
        for name in sorted(names):
            os.replace(new / name, folder / name)
        for old in folder.iterdir():
            if old.is_file() and old.name.endswith(endings) and old.name not in names:
                old.unlink()
