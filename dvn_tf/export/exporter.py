"""From a run folder to an export folder."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable, Sequence

from dvn_runtime.description import read_description
from dvn_runtime.manifest import SUPPORTED_FORMATS
from dvn_runtime.resident import memory_facts
from dvn_tf.data import TaskData
from dvn_tf.errors import UserError
from dvn_tf.export.accuracy import accuracy_entry, calibration_images, load_images
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.card import CARD_FILE, write_card
from dvn_tf.export.formats import FORMATS, checked_formats, writing_file
from dvn_tf.export.manifest import ManifestWriter, file_facts, open_manifest
from dvn_tf.export.selection import select_bundle, select_networks
from dvn_tf.export.slim import SlimNetwork, slim_network
from dvn_tf.files import atomic_folder
from dvn_tf.machine import num_cores
from dvn_tf.tasks import TaskInfo, output_name
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder

_SERVING = pathlib.Path("serving")  # where TensorFlow Serving finds version folders


def export_run(
    run_dir: str | os.PathLike,
    export_dir: str | os.PathLike | None = None,
    formats: Sequence[str] = ("keras", "tf_saved_model"),
    task: str | None = None,
    level: int | None = None,
    raw: bool = False,
    logits: bool = False,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
    sign: str | os.PathLike | None = None,
    serving: bool = False,
    class_names: bool = False,
) -> dict:
    """Writes each virtual network of a finished run as a plain network, in each format.

    Args:
        run_dir: the run's folder.
        export_dir: the folder to write to; None is <run_dir>/export. Files of other formats,
            tasks and levels in it are kept.
        formats: names of formats, see `FORMATS`.
        task: one task's name; None exports all tasks.
        level: one level, from 1; None exports all levels.
        raw: write networks that take uint8 images and return probabilities.
        logits: write networks that return logits, in every format; without it, those in LiteRT's
            formats return probabilities, as classifiers there do.
        data_dir: the folder of TFDS, for measuring accuracies; None is TFDS's own.
        imports: Python modules of yours that the run needs, such as a backbone's. They are imported
            first, and the run's config.gin may import no others.
        sign: the file of an Ed25519 private key that signs the manifest; None does not sign.
        serving: write each SavedModel as version 1 in a folder of its own, serving/<network>/1,
            which TensorFlow Serving takes as a model's base path.
        class_names: let SavedModels give the names of the classes as a second output.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: if the run, the folder, the key or a setting cannot be used, if a package is
            missing, or if a file cannot be written. Files that were finished before are complete
            and listed in the manifest.
    """
    formats = checked_formats(formats)
    if (serving or class_names) and "tf_saved_model" not in formats:
        raise UserError(
            "--serving and --class_names are for SavedModels: add the format tf_saved_model"
        )
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    chosen = [network.virtual_networks[name] for name in select_networks(network, task, level)]
    manifest = open_manifest(folder, network, export_dir, sign, imports)
    if class_names:
        _check_class_names(info for info, _, _ in chosen)
    required = any(FORMATS[name].calibrated for name in formats)
    images = load_images(folder, {info.name for info, _, _ in chosen}, data_dir, required, imports)
    costs = network.costs()
    input_dtype = "uint8" if raw else "float32"
    for info, number, _ in chosen:
        cost = costs[output_name(info.name, number)]
        for name in formats:
            output = _output(FORMATS[name].output, raw, logits)
            slim = slim_network(network, info.name, number, input_dtype, output, manifest.origin)
            slim = dataclasses.replace(slim, names_classes=class_names)
            path = pathlib.Path(name, f"{slim.name}{FORMATS[name].suffix}")
            if serving and name == "tf_saved_model":
                path = _SERVING / slim.name / "1"
            described = slim.metadata(FORMATS[name].input_dtype)
            entry = {
                "file": path.as_posix(),
                "format": name,
                "task": info.name,
                "level": number,
                "units": list(slim.units),
                "input": described["input"],
                "output": slim.output,
                "parameters": slim.model.count_params(),
                "parameters_paper": cost.parameters_paper,
                "multiply_adds": cost.multiply_adds,
                "versions": described["versions"],
            }
            _export_file(slim, manifest, entry, images.get(info.name))
            print(_line(entry["file"], entry["bytes"], entry["accuracy"]), flush=True)
    write_card(manifest.folder, manifest.content())
    print(
        f"\nWrote {len(chosen) * len(formats)} files, manifest.json and {CARD_FILE} to "
        f"{manifest.folder}/"
    )
    return manifest.content()


def export_bundle(
    run_dir: str | os.PathLike,
    names: Sequence[str],
    export_dir: str | os.PathLike | None = None,
    raw: bool = False,
    logits: bool = False,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
    sign: str | os.PathLike | None = None,
    serving: bool = False,
    class_names: bool = False,
    default: str | None = None,
) -> dict:
    """Writes several virtual networks of a finished run as one SavedModel with shared weights.

    Args:
        run_dir: the run's folder.
        names: virtual networks such as "cifar10/level1", or "all".
        export_dir: as for `export_run`.
        raw: as for `export_run`.
        logits: as for `export_run`.
        data_dir: as for `export_run`.
        imports: as for `export_run`.
        sign: as for `export_run`.
        serving: write the SavedModel as serving/<bundle>/1.
        class_names: as for `export_run`.
        default: the virtual network that answers a call which names no signature, such as
            "cifar10/level1"; None lets no network answer it.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: if the run, the folder, the key or a name cannot be used, or if the files
            cannot be written.
    """
    checked_formats(["tf_saved_model"])
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    outputs = select_bundle(network, names)
    if default is not None and default not in outputs:
        raise UserError(
            f"the default {default!r} is not in the bundle: choose from {', '.join(outputs)}"
        )
    if class_names:
        _check_class_names(network.virtual_networks[name][0] for name in outputs)
    manifest = open_manifest(folder, network, export_dir, sign, imports)
    tasks = {name.rsplit("/", 1)[0] for name in outputs}
    images = load_images(folder, tasks, data_dir, imports=imports)
    bundle = Bundle(
        network,
        outputs,
        "uint8" if raw else "float32",
        _output(None, raw, logits),
        manifest.origin,
        default,
        class_names,
    )
    complete = len(outputs) == len(network.virtual_networks)
    joined = "all" if complete else _joined(bundle.functions)
    path = _SERVING / joined / "1" if serving else pathlib.Path("bundle", joined)
    entry = {
        "file": path.as_posix(),
        "format": "tf_saved_model",
        "units": list(bundle.units),
        "signatures": bundle.metadata(),
        "default": default,
        "parameters": bundle.count_parameters(),
    }
    with manifest.update() as add, atomic_folder(manifest.folder / path) as temporary:
        bundle.fill(temporary)
        for signature in entry["signatures"]:
            name, data = signature["signature"], images.get(signature["task"])
            run = FORMATS["tf_saved_model"].open(temporary, signature=name)
            signature |= accuracy_entry(run, data, signature["input"]["dtype"])
            print(f"  {_line(name, None, signature['accuracy'])}", flush=True)
        entry |= file_facts(temporary)
        add(entry, "bundles")
    write_card(manifest.folder, manifest.content())
    print(_line(entry["file"], entry["bytes"], None))
    print(f"\nWrote {len(outputs)} virtual networks as one SavedModel to {manifest.folder / path}/")
    return manifest.content()


def _check_class_names(tasks: Iterable[TaskInfo]) -> None:
    for task in tasks:
        if not task.class_names:
            raise UserError(
                f"the classes of task {task.name!r} have no names: leave out --class_names"
            )


def _output(default: str | None, raw: bool, logits: bool) -> str:
    """What files give, where their format has a default or none."""
    if logits:
        return "logits"
    return default or ("probabilities" if raw else "logits")


def _export_file(
    slim: SlimNetwork, manifest: ManifestWriter, entry: dict, data: TaskData | None
) -> None:
    """Writes one file and its entry; accuracy and size are measured with that very file."""
    name, path = entry["format"], manifest.folder / entry["file"]
    samples = None if data is None else calibration_images(data.train)
    with manifest.update() as add, writing_file(name, slim, path, samples) as temporary:
        run = FORMATS[name].open(temporary, threads=num_cores())
        entry |= accuracy_entry(run, data, entry["input"]["dtype"]) | file_facts(temporary)
        if name in SUPPORTED_FORMATS:
            entry |= _litert_facts(entry["file"], temporary)
        add(entry)


def _litert_facts(name: str, path: pathlib.Path) -> dict:
    """What the device wants to know of a LiteRT file, which is checked as the device checks it."""
    content = path.read_bytes()
    facts = {"network_sha256": read_description(content).values["network_sha256"]}
    try:
        facts["memory"] = memory_facts(content)
    except UserError as error:
        print(f"warning: dvn_runtime will not load {name}: {error}", flush=True)
    return facts


def _joined(names) -> str:
    """One name made of several, short enough for file systems."""
    joined = "+".join(names)
    if len(joined) <= 100:
        return joined
    return f"{len(names)}_networks_{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def _line(name: str, size: int | None, accuracy: float | None) -> str:
    parts = [name]
    if size is not None:
        parts.append(f"{size:,} bytes")
    if accuracy is not None:
        parts.append(f"accuracy {accuracy:.2%}")
    return "  ".join(parts)
