"""Hostile networks: a model.keras that names code does not get it executed."""

import base64
import json
import marshal
import pathlib
import shutil
import zipfile

from tests.faults import checks, processes
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import JOINT

_MARKER = "executed"
_HUGE = 2**30  # bytes


@fault("hostile-network", weight=2)
def load_hostile_network(trial: Trial) -> None:
    """Writes calls of code into a network, or bombs into its archive, and exports it."""
    marker = trial.folder / _MARKER
    (trial.folder / "hostile.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    run = trial.folder / "run"
    shutil.copytree(trial.reference.run(JOINT).folder, run)
    with zipfile.ZipFile(run / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    name = trial.rng.choice(sorted({**_OBJECTS, **_BOMBS}))
    trial.step(name)
    if name in _OBJECTS:
        place = trial.rng.choice(list(_objects(config)))
        place |= _OBJECTS[name](marker)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(run / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        if name in _BOMBS:
            _BOMBS[name](archive)
    done = processes.run(
        "experiments.export",
        f"--run_dir={run}",
        f"--export_dir={trial.folder / 'export'}",
        "--format=litert",
        "--level=1",
        folder=trial.folder,
    )
    if marker.exists() or (trial.folder.parent / _MARKER).exists():
        raise Failure(f"code was executed, or a file written outside: {name}")
    checks.clean_end(done)


def _objects(value):
    """All serialized objects within a network's configuration."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _lambda(marker: pathlib.Path) -> dict:
    """A Lambda layer whose code makes the marker."""
    source = f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]"
    code = compile(source, "x", "eval").co_consts[0]
    encoded = base64.b64encode(marshal.dumps(code)).decode()
    function = {"code": encoded, "defaults": None, "closure": None}
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {
            "name": "x",
            "function": {"class_name": "__lambda__", "config": function},
            "arguments": {},
        },
        "registered_name": None,
    }


def _call(module: str, name: str, kind: str = "function"):
    """An object that is a function or a class of a module."""

    def make(marker: pathlib.Path) -> dict:
        config = name if kind == "function" else {"command": f"touch {marker}"}
        named = kind if kind == "function" else name
        return {"module": module, "class_name": named, "config": config, "registered_name": name}

    return make


def _many_zeros(archive: zipfile.ZipFile) -> None:
    """A member that unpacks to a gigabyte."""
    with archive.open("assets/zeros", "w", force_zip64=True) as file:
        for _ in range(_HUGE // 2**24):
            file.write(bytes(2**24))


def _traversal(archive: zipfile.ZipFile) -> None:
    archive.writestr(f"../../../{_MARKER}", "x")
    archive.writestr(f"../{_MARKER}", "x")


def _doubled(archive: zipfile.ZipFile) -> None:
    archive.writestr("config.json ", "[" * 10**6)
    archive.writestr("config.json/", "")


_OBJECTS = {
    "a Lambda layer": _lambda,
    "a function of os": _call("os", "system"),
    "a class of os": _call("os", "system", "class"),
    "a class of subprocess": _call("subprocess", "Popen", "class"),
    "a builtin": _call("builtins", "exec"),
    "a module that is imported": _call("hostile", "anything"),
    "a class of a module that is imported": _call("hostile", "Anything", "class"),
}
_BOMBS = {
    "a member of a gigabyte": _many_zeros,
    "members outside": _traversal,
    "members of odd names": _doubled,
}
