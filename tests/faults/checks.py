"""What it means to survive: clean ends, equal weights, nothing left behind."""

import hashlib
import io
import json
import os
import pathlib
import re
import signal
import zipfile

import h5py
import numpy as np

from tests.faults.fault import Failure
from tests.faults.processes import Done
from tests.run_checks import without_seconds

_UNFINISHED = (".partial-", ".new-", ".old-")  # how the names of unfinished files begin
_TENSORBOARD = "events.out.tfevents."  # every start of a run writes a further one

# What programs print to stderr besides messages: TensorFlow's warnings, which always appear, and
# the plan of `experiments.predict`.
_NO_MESSAGE = re.compile(r"W\d{4} \d\d:\d\d:\d\d|budget .*: [\d,]+ bytes|  \S+: level \d")


def ended_well(done: Done) -> None:
    """Fails unless a program ended with status 0 and without a traceback."""
    _no_traceback(done)
    if done.status != 0:
        raise Failure(f"status {done.status} instead of 0: {_end(done)}")


def refused(done: Done) -> str:
    """Fails unless a program ended with status 1 and one line `error: ...`; returns the line."""
    _no_traceback(done)
    if done.status != 1:
        raise Failure(f"status {done.status} instead of 1: {_end(done)}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if len(lines) != 1 or not done.stderr.rstrip().endswith(lines[0]):
        raise Failure(f"not one line of error at the end: {_end(done)}")
    return lines[0]


def clean_end(done: Done) -> bool:
    """Fails unless a program ended well or refused in one line; returns whether it ended well."""
    if done.status == 0:
        ended_well(done)
        return True
    refused(done)
    return False


def interrupted(done: Done, number: int = signal.SIGINT) -> None:
    """Fails unless a program ended by a signal as it should: status 130 or 143, and one line.

    A program that trains may say before that it will stop after its step.
    """
    name, status = signal.Signals(number).name, 128 + number
    _no_traceback(done)
    if done.status != status:
        raise Failure(f"status {done.status} instead of {status} after {name}: {_end(done)}")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not _NO_MESSAGE.match(line)]
    if len(lines) == 2 and lines[0].startswith("stopping after this step; "):
        lines = [line for line in lines[1:] if line.startswith("stopped after step ")]
    if len(lines) != 1 or not lines[0].startswith(("interrupted", "stopped after step ")):
        raise Failure(
            f"not one line 'interrupted...' or 'stopped...' after {name}, but {lines}: {_end(done)}"
        )


def killed(done: Done, number: int) -> bool:
    """Fails unless a program was killed, or ended well before; returns whether it was killed."""
    if done.status == -number:
        return True
    ended_well(done)
    return False


def same_run(
    folder: pathlib.Path,
    reference: pathlib.Path,
    extra=lambda file: False,
    unread: pathlib.Path | None = None,
) -> None:
    """Fails unless two run folders are equal apart from times.

    Args:
        folder: the run after the fault.
        reference: the run that nothing disturbed.
        extra: says which further files the run may have.
        unread: a damaged file that no program has a reason to read.
    """
    ours, theirs = files_of(folder), files_of(reference)
    if missing := sorted(theirs - ours):
        raise Failure(f"{missing[0]} is missing after the run was finished")
    if more := sorted(file for file in ours - theirs if not extra(file)):
        raise Failure(f"{more[0]} is left behind")
    for file in sorted(theirs):
        suffix = pathlib.Path(file).suffix
        if folder / file == unread:
            continue
        if not (folder / file).is_file():
            raise Failure(f"{file} is no file after the run was finished")
        if suffix in (".keras", ".h5", ".checkpoint"):
            same_weights(folder / file, reference / file)
        elif suffix == ".json":
            same_json(folder / file, reference / file)


def same_json(file: pathlib.Path, reference: pathlib.Path) -> None:
    """Fails unless two JSON files hold the same apart from times."""
    ours, theirs = (without_seconds(json.loads(path.read_text())) for path in (file, reference))
    if ours != theirs:
        raise Failure(f"{file.name} is not that of an undisturbed run")


def same_weights(file: pathlib.Path, reference: pathlib.Path) -> None:
    """Fails unless two networks or checkpoints have the same weights, bit for bit."""
    ours, theirs = _weights(file), _weights(reference)
    where = pathlib.Path(file.parent.name) / file.name
    if ours.keys() != theirs.keys():
        odd = sorted(ours.keys() ^ theirs.keys())
        raise Failure(f"{where} has other weights than an undisturbed run: {odd[0]}")
    different = [name for name, hashed in ours.items() if hashed != theirs[name]]
    if different:
        raise Failure(f"{len(different)} of {len(ours)} weights in {where} have other values")


def files_of(folder: pathlib.Path) -> set[str]:
    """The files below a folder, without those of TensorBoard, whose number may differ.

    Raises:
        Failure: if there is an unfinished file.
    """
    found = set()
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if name.startswith(_UNFINISHED):
                raise Failure(f"the unfinished {name} is left behind")
        paths = (pathlib.Path(parent, name) for name in names if not name.startswith(_TENSORBOARD))
        found |= {path.relative_to(folder).as_posix() for path in paths}
    return found


def whole_export(folder: pathlib.Path) -> int:
    """Fails unless every file that a manifest lists is there and as the manifest says.

    Returns:
        How many files the manifest lists; 0 if there is none.
    """
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return 0
    content = json.loads(manifest.read_text())
    entries = [*content["files"], *content.get("bundles", [])]
    for entry in entries:
        single = {"": entry["sha256"]} if "files_sha256" not in entry else entry["files_sha256"]
        for name, wanted in single.items():
            path = folder / entry["file"] / name if name else folder / entry["file"]
            if not path.is_file():
                raise Failure(f"{entry['file']} is in the manifest, but not in the folder")
            if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
                raise Failure(f"{entry['file']} is not what the manifest says")
    return len(entries)


def _weights(file: pathlib.Path) -> dict[str, str]:
    """{name of an array: hash of its bytes}; of a checkpoint also what else it holds."""
    if file.suffix == ".checkpoint":
        _, about, arrays = file.read_bytes().split(b"\n", 2)
        rest = json.dumps(without_seconds(json.loads(about)), sort_keys=True)
        with np.load(io.BytesIO(arrays)) as loaded:
            return {name: _hash(loaded[name]) for name in loaded.files} | {"": rest}
    content = file
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            content = io.BytesIO(archive.read("model.weights.h5"))
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = _hash(np.asarray(item))

    with h5py.File(content, "r") as opened:
        opened.visititems(visit)
    return found


def _hash(values: np.ndarray) -> str:
    kind = f"{values.dtype} {values.shape} ".encode()
    return hashlib.sha256(kind + values.tobytes()).hexdigest()


def _no_traceback(done: Done) -> None:
    if "Traceback (most recent call last)" in done.stdout + done.stderr:
        raise Failure(f"a traceback: {_end(done)}")
    if done.status < 0:
        raise Failure(f"a crash (signal {-done.status}): {_end(done)}")


def _end(done: Done) -> str:
    """The last line of a program's messages, and its command."""
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["(no message)"]
    return f"{lines[-1]:.300}  [{done.command:.600}]"
