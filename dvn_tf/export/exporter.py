"""From a run folder to an export folder."""

import hashlib
import os
import pathlib
from collections.abc import Sequence

from dvn_tf.data import TaskData
from dvn_tf.errors import UserError
from dvn_tf.export.accuracy import accuracy_entry, calibration_images, load_images
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.formats import FORMATS, checked_formats, write_file
from dvn_tf.export.manifest import file_facts, open_manifest
from dvn_tf.export.selection import select_bundle, select_networks
from dvn_tf.export.slim import SlimNetwork, slim_network
from dvn_tf.tasks import output_name
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder


def export_run(
    run_dir: str | os.PathLike,
    export_dir: str | os.PathLike | None = None,
    formats: Sequence[str] = ("keras", "tf_saved_model"),
    task: str | None = None,
    level: int | None = None,
    raw: bool = False,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
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
        data_dir: the folder of TFDS, for measuring accuracies; None is TFDS's own.
        imports: Python modules of yours that the run needs, such as a backbone's. They are imported
            first, and the run's config.gin may import no others.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: if the run, the folder or a setting cannot be used, or a package is missing.
    """
    formats = checked_formats(formats)
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    chosen = [network.virtual_networks[name] for name in select_networks(network, task, level)]
    manifest = open_manifest(folder, network, export_dir)
    required = any(FORMATS[name].calibrated for name in formats)
    images = load_images(folder, {info.name for info, _, _ in chosen}, data_dir, required, imports)
    costs = network.costs()
    for info, number, _ in chosen:
        slim = slim_network(network, info.name, number, raw)
        cost = costs[output_name(info.name, number)]
        for name in formats:
            path = pathlib.Path(name, f"{slim.name}{FORMATS[name].suffix}")
            measured = _export_file(slim, name, manifest.folder / path, images.get(info.name))
            entry = {
                "file": path.as_posix(),
                "format": name,
                "task": info.name,
                "level": number,
                "units": list(slim.units),
                "input": slim.metadata(FORMATS[name].input_dtype)["input"],
                "output": slim.output,
                "parameters": cost.parameters,
                "parameters_paper": cost.parameters_paper,
                **measured,
            }
            manifest.add(entry)
            print(_line(entry["file"], entry["bytes"], entry["accuracy"]), flush=True)
    print(f"\nWrote {len(chosen) * len(formats)} files and manifest.json to {manifest.folder}/")
    return manifest.content()


def export_bundle(
    run_dir: str | os.PathLike,
    names: Sequence[str],
    export_dir: str | os.PathLike | None = None,
    raw: bool = False,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
) -> dict:
    """Writes several virtual networks of a finished run as one SavedModel with shared weights.

    Args:
        run_dir: the run's folder.
        names: virtual networks such as "cifar10/level1", or "all".
        export_dir: as for `export_run`.
        raw: as for `export_run`.
        data_dir: as for `export_run`.
        imports: as for `export_run`.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: if the run, the folder or a name cannot be used.
    """
    checked_formats(["tf_saved_model"])
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    outputs = select_bundle(network, names)
    manifest = open_manifest(folder, network, export_dir)
    tasks = {name.rsplit("/", 1)[0] for name in outputs}
    images = load_images(folder, tasks, data_dir, imports=imports)
    bundle = Bundle(network, outputs, raw)
    complete = len(outputs) == len(network.virtual_networks)
    path = pathlib.Path("bundle", "all" if complete else _joined(bundle.functions))
    try:
        bundle.write(manifest.folder / path)
    except OSError as error:
        raise _cannot_write(manifest.folder / path, error) from error
    signatures = bundle.metadata()
    for signature in signatures:
        name, data = signature["signature"], images.get(signature["task"])
        run = FORMATS["tf_saved_model"].open(manifest.folder / path, signature=name)
        signature |= accuracy_entry(run, data, signature["input"]["dtype"])
        print(f"  {_line(name, None, signature['accuracy'])}", flush=True)
    entry = {
        "file": path.as_posix(),
        "format": "tf_saved_model",
        "units": list(bundle.units),
        "signatures": signatures,
        "parameters": bundle.count_parameters(),
        **file_facts(manifest.folder / path),
    }
    manifest.add_bundle(entry)
    print(_line(entry["file"], entry["bytes"], None))
    print(f"\nWrote {len(outputs)} virtual networks as one SavedModel to {manifest.folder / path}/")
    return manifest.content()


def _export_file(slim: SlimNetwork, name: str, path: pathlib.Path, data: TaskData | None) -> dict:
    """Writes one file, and measures its accuracy and size by running that very file."""
    samples = None if data is None else calibration_images(data.train.images)
    try:
        write_file(name, slim, path, samples)
    except OSError as error:
        raise _cannot_write(path, error) from error
    dtype = FORMATS[name].input_dtype or slim.input_dtype
    return accuracy_entry(FORMATS[name].open(path), data, dtype) | file_facts(path)


def _cannot_write(path: pathlib.Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror or error}")


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
