"""Damaged and hostile export folders: refused, or right answers, and never a crash."""

import hashlib
import json
import pathlib
import shutil

import numpy as np

from tests.faults import checks, damage
from tests.faults.fault import Failure, Trial, fault

# What an attacker who also writes the hashes can do to a file, and the file itself must show.
_HOSTILE = (damage.truncate, damage.make_empty, damage.random_bytes, damage.zero_page)


@fault("manifest", weight=3)
def change_manifest(trial: Trial) -> None:
    """Changes a value of the manifest, or the manifest as a file."""
    export = _copy(trial)
    how = damage.change_json if trial.rng.random() < 0.75 else trial.rng.choice(damage.ANY)
    trial.step(how(export / "manifest.json", trial.rng))
    _ask(trial, export)


@fault("export-file", weight=2)
def damage_file(trial: Trial) -> None:
    """Damages files whose hashes the manifest has."""
    export = _copy(trial)
    for entry in trial.rng.sample(_manifest(export)["files"], trial.rng.choice((1, 1, 2, 4))):
        how = trial.rng.choice(damage.ANY)
        trial.step(f"{entry['file']}: {how(export / entry['file'], trial.rng)}")
    _ask(trial, export)


@fault("hostile-export", weight=2)
def vouch_for_another(trial: Trial) -> None:
    """Exchanges files, or writes others, and gives the manifest their hashes."""
    export = _copy(trial)
    manifest = _manifest(export)
    files = {(entry["task"], entry["level"]): entry for entry in manifest["files"]}
    tasks = list(manifest["tasks"])
    what = trial.rng.choice(("tasks", "levels", "names", "classes", "content"))
    level = trial.rng.choice((1, 2))
    trial.step(f"exchanged {what}, level {level}")
    if what == "tasks":
        _swap(export, files[tasks[0], level], files[tasks[1], level])
    elif what == "levels":
        task = trial.rng.choice(tasks)
        _swap(export, files[task, 1], files[task, 2])
    elif what == "names":
        for entry in manifest["files"]:
            entry["task"] = tasks[1 - tasks.index(entry["task"])]
    elif what == "classes":
        trial.rng.shuffle(manifest["tasks"][tasks[0]]["class_names"])
    else:
        entry = files[trial.rng.choice(tasks), level]
        trial.step(trial.rng.choice(_HOSTILE)(export / entry["file"], trial.rng))
        _vouch(export, entry)
    (export / "manifest.json").write_text(json.dumps(manifest))
    _ask(trial, export)


@fault("signed-export", weight=2)
def change_signed(trial: Trial) -> None:
    """Changes what a signature vouches for, or the signature."""
    original, export = trial.reference.signed_export(0), trial.folder / "export"
    shutil.copytree(original, export)
    manifest = _manifest(export)
    what = trial.rng.choice(("manifest", "content", "signature", "another's signature", "signer"))
    trial.step(what)
    if what == "manifest":
        trial.step(damage.change_json(export / "manifest.json", trial.rng))
    elif what == "content":
        entry = trial.rng.choice(manifest["files"])
        how = trial.rng.choice((*_HOSTILE, damage.flip_bit, damage.append))
        trial.step(f"{entry['file']}: {how(export / entry['file'], trial.rng)}")
        _vouch(export, entry)
        (export / "manifest.json").write_text(json.dumps(manifest))
    elif what == "signature":
        trial.step(trial.rng.choice(damage.ANY)(export / "manifest.sig", trial.rng))
    else:
        source = trial.reference.signed_export(1)
        names = ["manifest.sig"] if what != "signer" else ["manifest.sig", "manifest.json"]
        for name in names:
            shutil.copy(source / name, export)
    key = trial.reference.keys()[0].with_suffix(".public")
    checks.refused(trial.reference.ask(export, trial.folder, f"--key={key}"))
    checks.ended_well(trial.reference.ask(original, trial.folder, f"--key={key}"))


def _ask(trial: Trial, export: pathlib.Path) -> None:
    """Fails unless the export is refused, or gives the answers that it should."""
    budget = trial.rng.choice(([], [], ["--budget=500kB"], ["--budget=150kB"]))
    trial.step(f"predictor {' '.join(budget)}")
    done = trial.reference.ask(export, trial.folder, *budget)
    if not checks.clean_end(done):
        return
    for task, answer in json.loads(done.stdout).items():
        if task not in _manifest(trial.reference.export().folder)["tasks"]:
            raise Failure(f"answers for {task!r}, a task that was never exported")
        if answer["level"] not in (1, 2):
            raise Failure(f"answers of level {answer['level']}, which was never exported")
        expected = trial.reference.answers(task, answer["level"])
        if answer["classes"] != expected["classes"]:
            raise Failure(f"other classes of {task}: {answer['classes']}")
        if not np.allclose(answer["probabilities"], expected["probabilities"], atol=1e-5):
            raise Failure(f"wrong answers for {task}, level {answer['level']}")


def _copy(trial: Trial) -> pathlib.Path:
    export = trial.folder / "export"
    shutil.copytree(trial.reference.export().folder, export)
    return export


def _manifest(export: pathlib.Path) -> dict:
    return json.loads((export / "manifest.json").read_text())


def _swap(export: pathlib.Path, one: dict, other: dict) -> None:
    """Exchanges two files, and writes their hashes into their entries."""
    contents = [(export / entry["file"]).read_bytes() for entry in (one, other)]
    for entry, content in zip((other, one), contents, strict=True):
        (export / entry["file"]).write_bytes(content)
        _vouch(export, entry)


def _vouch(export: pathlib.Path, entry: dict) -> None:
    content = (export / entry["file"]).read_bytes()
    entry |= {"bytes": len(content) or 1, "sha256": hashlib.sha256(content).hexdigest()}
