"""Wrong manifests: each is an error that names the entry, and nothing is loaded."""

import dataclasses
import os

import pytest

from dvn_runtime import BudgetedPredictor
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import read_manifest
from dvn_runtime.resident import NetworkMemory


def edited(path, value):
    """Puts a value at a path of keys of the manifest; None removes the key."""

    def damage(export):
        manifest = export.manifest()
        place = manifest
        for key in path[:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        export.write_manifest(manifest)

    return damage


def text(change):
    def damage(export):
        path = export.folder / "manifest.json"
        path.write_bytes(change(path.read_bytes()))

    return damage


def doubled_entry(**changes):
    def damage(export):
        manifest = export.manifest()
        manifest["files"].append({**manifest["files"][0], **changes})
        export.write_manifest(manifest)

    return damage


def link_out(export):
    outside = export.folder.parent / "outside.tflite"
    path = export.path("colours", 1)
    path.rename(outside)
    path.symlink_to(outside)


def link_circle(export):
    path = export.path("colours", 1)
    path.unlink()
    path.symlink_to(path)


def no_manifest(export):
    (export.folder / "manifest.json").unlink()


def pipe_for_a_manifest(export):
    no_manifest(export)
    os.mkfifo(export.folder / "manifest.json")


def folder_for_a_manifest(export):
    no_manifest(export)
    (export.folder / "manifest.json").mkdir()


_KEYS = ("format", "task", "level", "units", "input", "output", "sha256", "accuracy", "bytes")
_KEYS += ("parameters", "parameters_paper", "test_examples")
_MEMORY = [field.name for field in dataclasses.fields(NetworkMemory)]
FIRST = ("files", 0)
COLOURS = ("tasks", "colours")
MANIFESTS = {
    "missing": (no_manifest, "cannot read .*manifest.json"),
    "a pipe": (pipe_for_a_manifest, "not a regular file"),
    "a folder": (folder_for_a_manifest, "not a regular file"),
    "empty": (text(lambda b: b""), "not a manifest"),
    "cut": (text(lambda b: b[: len(b) // 2]), "not a manifest"),
    "not text": (text(lambda b: b"\xff\xfe\x00" + b), "not a manifest"),
    "nested without end": (text(lambda b: b"[" * 100_000), "not a manifest"),
    "a list": (text(lambda b: b"[" + b + b"]"), "not a JSON object"),
    "a doubled key": (
        text(lambda b: b.replace(b'"seed"', b'"files": [], "seed"')),
        "'files' stands twice",
    ),
    "no version": (edited(["format_version"], None), "no 'format_version'"),
    "a later version": (edited(["format_version"], 2), "format_version is 2"),
    "version as text": (edited(["format_version"], "1"), "of type int"),
    "no tasks": (edited(["tasks"], None), "no 'tasks'"),
    "tasks empty": (edited(["tasks"], {}), "there is no task"),
    "tasks a list": (edited(["tasks"], []), "'tasks' is"),
    "a task of text": (edited(COLOURS, "x"), "task 'colours' is not"),
    "image_shape gone": (edited([*COLOURS, "image_shape"], None), "'colours' has no 'image_shape'"),
    "image_shape flat": (edited([*COLOURS, "image_shape"], [8, 8]), "'image_shape' is"),
    "image_shape negative": (edited([*COLOURS, "image_shape"], [8, -8, 3]), "'image_shape' is"),
    "image_shape of text": (edited([*COLOURS, "image_shape"], ["8", 8, 3]), "'image_shape' is"),
    "one class": (edited([*COLOURS, "num_classes"], 1), "'num_classes' is 1"),
    "too few names": (edited([*COLOURS, "class_names"], ["a"]), "'class_names' is"),
    "names of numbers": (edited([*COLOURS, "class_names"], [1, 2, 3, 4]), "'class_names' is"),
    "mean too long": (edited([*COLOURS, "mean"], [1.0, 2.0]), "'mean' is"),
    "std not a number": (edited([*COLOURS, "std"], [float("nan")]), "NaN is not finite"),
    "no files": (edited(["files"], None), "no 'files'"),
    "files an object": (edited(["files"], {}), "'files' is"),
    "a file of text": (edited(FIRST, "x"), r"files\[0\] is not"),
    "no file name": (edited([*FIRST, "file"], None), r"files\[0\] has no 'file'"),
    **{
        f"no {key}": (edited([*FIRST, key], None), f"colours_level1.tflite' has no '{key}'")
        for key in _KEYS
    },
    "format of a number": (edited([*FIRST, "format"], 1), "'format' is 1"),
    "unknown task": (edited([*FIRST, "task"], "letters"), "'task' is 'letters'"),
    "level 0": (edited([*FIRST, "level"], 0), "'level' is 0"),
    "level true": (edited([*FIRST, "level"], True), "'level' is True"),
    "bytes 0": (edited([*FIRST, "bytes"], 0), "'bytes' is 0"),
    "bytes of a terabyte": (edited([*FIRST, "bytes"], 2**40), "'bytes' is .* at most"),
    "a million classes": (edited([*COLOURS, "num_classes"], 2**21), "'num_classes' is"),
    "images of gigabytes": (edited([*COLOURS, "image_shape"], [2**15, 2**15, 3]), "'image_shape'"),
    "a number of 400 digits": (edited([*FIRST, "level"], 10**400), "is too large"),
    "hash of the network not text": (edited([*FIRST, "network_sha256"], 1), "'network_sha256' is"),
    "hash of the network short": (edited([*FIRST, "network_sha256"], "a"), "'network_sha256' is"),
    "bytes a fraction": (edited([*FIRST, "bytes"], 10.5), "'bytes' is 10.5"),
    "parameters negative": (edited([*FIRST, "parameters"], -1), "'parameters' is -1"),
    "accuracy in percent": (edited([*FIRST, "accuracy"], 91.2), "'accuracy' is 91.2"),
    "accuracy not a number": (edited([*FIRST, "accuracy"], float("nan")), "NaN is not finite"),
    "accuracy as text": (edited([*FIRST, "accuracy"], "0.9"), "'accuracy' is '0.9'"),
    "short hash": (edited([*FIRST, "sha256"], "abc"), "'sha256' is 'abc'"),
    "hash no hexadecimal": (edited([*FIRST, "sha256"], "g" * 64), "'sha256' is"),
    "unknown output": (edited([*FIRST, "output"], "scores"), "'output' is 'scores'"),
    "unknown input type": (edited([*FIRST, "input", "dtype"], "int8"), "'dtype' is 'int8'"),
    "multiply_adds negative": (edited([*FIRST, "multiply_adds"], -1), "'multiply_adds' is -1"),
    "memory a number": (edited([*FIRST, "memory"], 7), "'memory' is 7"),
    "memory a text": (edited([*FIRST, "memory"], "x"), "'memory' is 'x'"),
    **{
        f"memory without {key}": (
            edited([*FIRST, "memory"], {k: 1 for k in _MEMORY if k != key}),
            f"colours_level1.tflite', memory has no '{key}'",
        )
        for key in _MEMORY
    },
    **{
        f"memory of {value!r}": (
            edited([*FIRST, "memory"], dict.fromkeys(_MEMORY, value)),
            f"memory: 'packed' is {str(value)[:3]}",
        )
        for value in (-1, 1.5, True, 2**40)
    },
    "another input shape": (edited([*FIRST, "input", "shape"], [9, 8, 3]), "'shape' is"),
    "pixels of 0..1": (edited([*FIRST, "input", "range"], [0, 1]), "'range' is"),
    "absolute path": (edited([*FIRST, "file"], "/etc/passwd"), "plain relative path"),
    "path upwards": (edited([*FIRST, "file"], "../x.tflite"), "plain relative path"),
    "path up and down": (edited([*FIRST, "file"], "litert/../x"), "plain relative path"),
    "path with a dot": (edited([*FIRST, "file"], "./x.tflite"), "plain relative path"),
    "path of Windows": (edited([*FIRST, "file"], "C:\\x.tflite"), "plain relative path"),
    "path empty": (edited([*FIRST, "file"], ""), "plain relative path"),
    "path that cannot be": (edited([*FIRST, "file"], "\ud800.tflite"), "plain relative path"),
    "link out of the folder": (link_out, "links lead elsewhere"),
    "link to itself": (link_circle, "links lead elsewhere"),
    "a file twice": (doubled_entry(level=9), "the file litert/colours_level1.tflite is listed"),
    "a level twice": (doubled_entry(file="x"), "litert of task 'colours' level 1 is listed twice"),
}


@pytest.mark.parametrize(("damage", "message"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_wrong_manifest_is_an_error_that_names_the_entry(export, damage, message):
    damage(export)
    with pytest.raises(UserError, match=message) as error:
        BudgetedPredictor(export.folder)
    assert "manifest.json" in str(error.value)


def test_files_of_unknown_formats_are_skipped(export):
    manifest = export.manifest()
    # As a later version may write them: other keys, another kind of task.
    manifest["files"].insert(0, {"file": "npz/a.npz", "format": "npz", "task": "sound"})
    manifest["files"].append({"file": "npz/b.npz", "format": "npz", "sha256": None})
    export.write_manifest(manifest)
    networks = read_manifest(export.folder).networks
    assert {network.format for network in networks} == {"litert", "litert_int8"}
    assert len(networks) == 12
    with BudgetedPredictor(export.folder) as predictor:
        assert set(predictor.plan().networks) == {"colours", "digits"}


def test_the_memory_of_a_network_is_read(export):
    numbers = {name: position for position, name in enumerate(_MEMORY, 1)}
    edited([*FIRST, "memory"], {**numbers, "of a later version": None})(export)
    edited([*FIRST, "multiply_adds"], 99)(export)
    first, second, *_ = read_manifest(export.folder).networks
    assert first.memory == NetworkMemory(**numbers) and first.multiply_adds == 99
    assert second.memory is None and second.multiply_adds is None
    assert first.memory.resident(True, 1, 10) == 1 + 10 * 2
    assert first.memory.resident(False, 1) == 3 + 4
    assert first.memory.resident(False, 2, 3) == 5 + 3 * 6
