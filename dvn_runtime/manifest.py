"""Reads and checks `manifest.json`, the table of contents of an export folder."""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Mapping

from dvn_runtime.entries import Entry
from dvn_runtime.errors import UserError, shown
from dvn_runtime.files import JSON_LIMIT, parse_json, read_bytes
from dvn_runtime.resident import NetworkMemory
from dvn_runtime.signature import Key, check_signature

MANIFEST_FILE = "manifest.json"
FORMAT_VERSION = 1
# The formats that this package runs. A manifest may list files of others, which are skipped.
SUPPORTED_FORMATS = ("litert", "litert_int8")
# Larger than any network that a device can run, and small enough to count bytes with.
_MOST_BYTES = 2**31
_MOST_MEMORY = 2**36  # bytes
_MOST_VALUES = 2**28  # of one image
_MOST_SIDE = 2**13  # pixels of a square that is cropped
_MOST_CLASSES = 2**20


@dataclasses.dataclass(frozen=True)
class ExportedTask:
    """A task that an export folder has networks of.

    Attributes:
        name: its name.
        image_shape: (height, width, channels) of its images, in pixels.
        num_classes: the number of its classes.
        class_names: their names in the order of the labels; empty if unknown.
        crop_from: height and width in pixels to which the central square of an image is resized,
            before the middle of it is taken; None where the image itself is resized.
    """

    name: str
    image_shape: tuple[int, int, int]
    num_classes: int
    class_names: tuple[str, ...]
    crop_from: int | None = None


@dataclasses.dataclass(frozen=True)
class ExportedNetwork:
    """A virtual network in a file of its own, as the manifest describes it.

    Attributes:
        file: path of the file relative to the export folder, with forward slashes.
        format: one of `SUPPORTED_FORMATS`.
        task: name of its task.
        level: its memory level, from 1.
        dtype: dtype of its input, "float32" or "uint8"; pixels lie in 0..255 in both.
        output: "logits" or "probabilities".
        parameters: the number of parameters that inference needs.
        bytes: size of the file.
        accuracy: measured with this file on the test split, 0..1; None if it was not measured.
        sha256: SHA-256 of the file, in lower-case hexadecimal digits.
        network_sha256: that of the network alone, without the description that follows it; None
            in exports of versions before 0.4.
        multiply_adds: the number of multiply-adds for one image; None in exports of versions
            before 0.5.
        memory: the resident memory that it takes; None in exports of versions before 0.5.
    """

    file: str
    format: str
    task: str
    level: int
    dtype: str
    output: str
    parameters: int
    bytes: int
    accuracy: float | None
    sha256: str
    network_sha256: str | None = None
    multiply_adds: int | None = None
    memory: NetworkMemory | None = None


@dataclasses.dataclass(frozen=True)
class ExportedIncrement:
    """What a level adds to the level below, in a file of its own, see `dvn_runtime.levels`.

    Attributes:
        network: the file's entry; `parameters` and `multiply_adds` are those of the increment.
        adds_to: path of the file of the level below; None for level 1, whose input is images.
        inputs: {name: shape for one image} of what it reads.
        outputs: {name: shape for one image} of what it gives: "logits", and what higher levels
            read.
    """

    network: ExportedNetwork
    adds_to: str | None
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What an export folder holds.

    Attributes:
        folder: the export folder.
        tasks: the tasks by name.
        networks: the networks in one of `SUPPORTED_FORMATS`, in the order of the manifest.
        increments: those in the format litert, in the order of the manifest.
    """

    folder: pathlib.Path
    tasks: dict[str, ExportedTask]
    networks: tuple[ExportedNetwork, ...]
    increments: tuple[ExportedIncrement, ...] = ()


def read_manifest(export_dir: str | os.PathLike, key: Key | None = None) -> Manifest:
    """Reads the manifest of an export folder, and checks every entry in a supported format.

    The files themselves are not opened: `network.open_network` checks each before use.

    Args:
        export_dir: the folder that holds `manifest.json`.
        key: the public key that must have signed the manifest, see
            `signature.read_public_key`; None checks no signature.

    Raises:
        UserError: if there is no manifest, if it is not signed by the key, or if a value is
            missing, wrong, listed twice or leads out of the folder; the message names the entry.
    """
    try:
        folder = pathlib.Path(os.fsdecode(export_dir))
    except TypeError:
        raise UserError(f"{shown(export_dir)} is no path: give the folder of an export") from None
    path = folder / MANIFEST_FILE
    try:
        content = read_bytes(path, JSON_LIMIT)
    except UserError as error:
        raise UserError(f"{error}; give the folder of an export") from None
    if key is not None:
        check_signature(content, folder, key)
    try:
        values = parse_json(content, "the file")
    except UserError as error:
        raise UserError(f"{path} is not a manifest: {error}") from None
    try:
        return _parse(folder, values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _parse(folder: pathlib.Path, content) -> Manifest:
    top = Entry(content, "the manifest")
    version = top.get("format_version", int)
    if version != FORMAT_VERSION:
        raise UserError(
            f"format_version is {version}, but this program reads {FORMAT_VERSION}: use the "
            "version of dvn_tf that wrote the export"
        )
    tasks = {
        name: _parse_task(name, Entry(value, f"task {name!r}"))
        for name, value in top.get("tasks", Mapping).items()
    }
    if not tasks:
        raise UserError("there is no task in it")
    networks = [
        _parse_network(entry, tasks, folder) for entry in _entries(top, "files", SUPPORTED_FORMATS)
    ]
    increments = []
    if "increments" in top.content:  # which versions before 0.7 do not write
        for entry in _entries(top, "increments", ("litert",)):
            increments.append(_parse_increment(entry, tasks, folder))
    files = [*networks, *(increment.network for increment in increments)]
    _check_unique([network.file for network in files], "file")
    for kind in (networks, files[len(networks) :]):
        _check_unique([f"{n.format} of task {n.task!r} level {n.level}" for n in kind], "network")
    return Manifest(folder, tasks, tuple(networks), tuple(increments))


def _entries(top: Entry, key: str, formats: tuple[str, ...]) -> list[Entry]:
    """The entries of a list whose format is one of some."""
    entries = []
    for position, value in enumerate(top.get(key, list)):
        entry = Entry(value, f"{key}[{position}]")
        entry.name = repr(entry.get("file", str))
        if entry.get("format", str) in formats:
            entries.append(entry)
    return entries


def _parse_task(name: str, entry: Entry) -> ExportedTask:
    shape = entry.numbers("image_shape", int)
    if len(shape) != 3 or min(shape) < 1:
        raise entry.error("image_shape", "three positive numbers, height, width and channels")
    if math.prod(shape) > _MOST_VALUES:
        raise entry.error("image_shape", f"of at most {_MOST_VALUES:,} values")
    num_classes = entry.get("num_classes", int, least=2, most=_MOST_CLASSES)
    for statistic in ("mean", "std"):
        if len(entry.numbers(statistic, float)) not in (1, shape[2]):
            raise entry.error(statistic, "one number a channel or one for all")
    names = entry.get("class_names", list)
    if not all(isinstance(name, str) for name in names) or len(names) not in (0, num_classes):
        raise entry.error("class_names", f"{num_classes} names, or none")
    crop_from = None
    if "crop_from" in entry.content:
        crop_from = entry.get("crop_from", int, least=max(shape[:2]), most=_MOST_SIDE)
    return ExportedTask(name, shape, num_classes, tuple(names), crop_from)


def _parse_network(entry: Entry, tasks, folder: pathlib.Path) -> ExportedNetwork:
    task = entry.get("task", str, among=tasks)
    pixels = Entry(entry.get("input", Mapping), f"{entry.name}, input")
    if pixels.numbers("shape", int) != tasks[task].image_shape:
        raise pixels.error("shape", f"the image_shape of task {task!r}")
    if pixels.numbers("range", float) != (0, 255):
        raise pixels.error("range", "[0, 255]: networks take pixels as they are")
    entry.numbers("units", int)
    entry.get("parameters_paper", int)
    entry.get("test_examples", int)
    accuracy = entry.content.get("accuracy", 0)
    if accuracy is not None:
        accuracy = entry.get("accuracy", float)
        if not 0 <= accuracy <= 1:
            raise entry.error("accuracy", "between 0 and 1, or null")
    for key in ("sha256", "network_sha256") if "network_sha256" in entry.content else ("sha256",):
        if not re.fullmatch("[0-9a-f]{64}", entry.get(key, str)):
            raise entry.error(key, "64 lower-case hexadecimal digits")
    return ExportedNetwork(
        file=_inside(folder, entry),
        format=entry.get("format", str),
        task=task,
        level=entry.get("level", int, least=1),
        dtype=pixels.get("dtype", str, among=("float32", "uint8")),
        output=entry.get("output", str, among=("logits", "probabilities")),
        parameters=entry.get("parameters", int, least=1),
        bytes=entry.get("bytes", int, least=1, most=_MOST_BYTES),
        accuracy=accuracy,
        sha256=entry.get("sha256", str),
        network_sha256=entry.content.get("network_sha256"),
        multiply_adds=entry.get("multiply_adds", int) if "multiply_adds" in entry.content else None,
        memory=_parse_memory(entry) if "memory" in entry.content else None,
    )


def _parse_increment(entry: Entry, tasks, folder: pathlib.Path) -> ExportedIncrement:
    ports = {}
    for key in ("inputs", "outputs"):
        named = Entry(entry.get(key, Mapping), f"{entry.name}, {key}")
        ports[key] = {name: named.numbers(name, int) for name in named.content}
        for name, shape in ports[key].items():
            if not shape or min(shape) < 1 or math.prod(shape) > _MOST_VALUES:
                raise named.error(name, f"positive numbers with a product up to {_MOST_VALUES:,}")
    adds_to = None if entry.content.get("adds_to") is None else entry.get("adds_to", str)
    return ExportedIncrement(_parse_network(entry, tasks, folder), adds_to, **ports)


def _parse_memory(entry: Entry) -> NetworkMemory:
    memory = Entry(entry.get("memory", Mapping), f"{entry.name}, memory")
    names = [field.name for field in dataclasses.fields(NetworkMemory)]
    return NetworkMemory(**{name: memory.get(name, int, most=_MOST_MEMORY) for name in names})


def _inside(folder: pathlib.Path, entry: Entry) -> str:
    """The path of an entry, checked to stay in the folder even if it is a link."""
    file = entry.get("file", str)
    path = pathlib.PurePosixPath(file)
    plain = path.parts and not path.is_absolute() and ".." not in path.parts
    # "a" and "./a" must not pass for two files; backslash and colon lead out on Windows.
    if not plain or not file.isprintable() or set(file) & set("\\:") or str(path) != file:
        raise entry.error("file", "a plain relative path inside the export folder")
    try:
        resolved = (folder / path).resolve()
        # From Python 3.13 on, a link is left where links lead in a circle; before, it is an error.
        stays = resolved.is_relative_to(folder.resolve()) and not resolved.is_symlink()
    except (OSError, RuntimeError):  # links that lead in a circle, overlong names
        stays = False
    if not stays:
        raise entry.error("file", "inside the export folder, but its links lead elsewhere")
    return file


def _check_unique(names: list[str], what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise UserError(f"the {what} {name} is listed twice")
        seen.add(name)
