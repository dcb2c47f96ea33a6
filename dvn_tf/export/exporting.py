"""From a run folder to an export folder."""

import hashlib
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from dvn_tf.data import ImageSet, TaskData
from dvn_tf.errors import UserError
from dvn_tf.export import opening
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.formats import FORMATS, checked_formats
from dvn_tf.export.manifest import file_facts
from dvn_tf.export.runners import RUNNERS, run_saved_model
from dvn_tf.export.slim import SlimNetwork, slim_network
from dvn_tf.tasks import output_name
from dvn_tf.training.run_folder import RunFolder

_BATCH = 100
_CALIBRATION_IMAGES = 300


def export_run(
    run_dir,
    export_dir=None,
    formats: Sequence[str] = ("keras", "tf_saved_model"),
    task: str | None = None,
    level: int | None = None,
    raw: bool = False,
    data_dir=None,
) -> dict:
    """Writes virtual networks of a finished run, each as a plain network in each format.

    Args:
        run_dir: the run's folder.
        export_dir: the folder to write to; None is <run_dir>/export. Files of other formats,
            tasks and levels that lie there stay.
        formats: names of formats, see `FORMATS`.
        task: one task's name; None exports all.
        level: one level, from 1; None exports all.
        raw: write networks that take uint8 images and give probabilities.
        data_dir: the folder of TFDS, for measuring accuracies; None is TFDS's own.

    Returns:
        What `manifest.json` holds.

    Raises:
        UserError: if the run, the folder or a setting cannot be used, or a package is missing.
    """
    formats = checked_formats(formats)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    chosen = [
        network.virtual_networks[name] for name in opening.choose_networks(network, task, level)
    ]
    manifest = opening.open_manifest(folder, network, export_dir)
    images = opening.load_images(
        folder, {info.name for info, _, _ in chosen}, data_dir, required="litert_int8" in formats
    )
    costs = network.costs()
    for info, number, _ in chosen:
        slim = slim_network(network, info.name, number, raw)
        for name in formats:
            path = pathlib.Path(name, f"{slim.name}{FORMATS[name].suffix}")
            measured = write_network(slim, name, manifest.folder / path, images.get(info.name))
            cost = costs[output_name(info.name, number)]
            entry = {
                "file": path.as_posix(),
                "format": name,
                "task": info.name,
                "level": number,
                "units": list(slim.units),
                "input": _input(slim, FORMATS[name].input_dtype(slim)),
                "output": slim.output,
                "parameters": cost.parameters,
                "parameters_paper": cost.parameters_paper,
                **measured,
            }
            manifest.add(entry)
            print(_line(entry["file"], entry["bytes"], entry["accuracy"]), flush=True)
    print(
        f"\nFiles written: {len(chosen) * len(formats)}, and manifest.json, in {manifest.folder}/"
    )
    return manifest.content()


def export_bundle(
    run_dir, names: Sequence[str], export_dir=None, raw: bool = False, data_dir=None
) -> dict:
    """Writes several virtual networks of a finished run as one SavedModel with shared weights.

    Args:
        run_dir: the run's folder.
        names: outputs such as "cifar10/level1", or "all".
        export_dir: as for `export_run`.
        raw: as for `export_run`.
        data_dir: as for `export_run`.

    Returns:
        What `manifest.json` holds.

    Raises:
        UserError: if the run, the folder or a name cannot be used.
    """
    FORMATS["tf_saved_model"].check()
    folder = RunFolder(run_dir)
    network = folder.load_model()
    outputs = opening.choose_bundle(network, names)
    manifest = opening.open_manifest(folder, network, export_dir)
    images = opening.load_images(folder, {n.rsplit("/", 1)[0] for n in outputs}, data_dir)
    bundle = Bundle(network, outputs, raw)
    whole = len(outputs) == len(network.virtual_networks)
    path = pathlib.Path("bundle", "all" if whole else _joined(bundle.functions))
    _write(bundle.write, manifest.folder / path)
    signatures = bundle.describe()
    for signature in signatures:
        data = images.get(signature["task"])
        name = signature["signature"]
        predict = run_saved_model(manifest.folder / path, signature=name)
        signature |= _accuracy(predict, data, signature["input"]["dtype"])
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
    print(f"\n{len(outputs)} virtual networks share one SavedModel in {manifest.folder / path}/")
    return manifest.content()


def write_network(
    slim: SlimNetwork, format_name: str, path: pathlib.Path, data: TaskData | None
) -> dict:
    """Writes one file and measures it with the format's own runtime.

    Args:
        slim: the network.
        format_name: the format.
        path: where to.
        data: the task's images; None measures no accuracy.

    Returns:
        {"accuracy", "test_examples", "bytes", "sha256"} and what else `file_facts` gives.

    Raises:
        UserError: if the file cannot be written.
    """
    form = FORMATS[format_name]
    samples = None if data is None else calibration_images(data.train.images)
    _write(lambda path: form.write(slim, path, samples), path)
    measured = _accuracy(RUNNERS[format_name](path), data, form.input_dtype(slim))
    return measured | file_facts(path)


def measure_accuracy(predict: Callable, images: ImageSet, dtype: str) -> float:
    """The share of images whose label has the greatest output.

    Args:
        predict: from images (batch, height, width, channels) to outputs (batch, classes).
        images: the images.
        dtype: what `predict` takes.
    """
    hits = 0
    for start in range(0, len(images), _BATCH):
        outputs = predict(images.images[start : start + _BATCH].astype(dtype))
        labels = images.labels[start : start + _BATCH]
        hits += int(np.sum(np.argmax(outputs, axis=-1) == labels))
    return hits / len(images)


def calibration_images(images: np.ndarray) -> np.ndarray:
    """Images at equal distances through a training set: a representative sample of it."""
    count = min(_CALIBRATION_IMAGES, len(images))
    return images[np.linspace(0, len(images) - 1, count).astype(int)]


def _accuracy(predict: Callable, data: TaskData | None, dtype: str) -> dict:
    if data is None:
        return {"accuracy": None, "test_examples": 0}
    return {
        "accuracy": measure_accuracy(predict, data.test, dtype),
        "test_examples": len(data.test),
    }


def _write(write: Callable[[pathlib.Path], None], path: pathlib.Path) -> None:
    try:
        write(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _input(slim: SlimNetwork, dtype: str) -> dict:
    return {"dtype": dtype, "shape": list(slim.task.image_shape), "range": [0, 255]}


def _joined(names) -> str:
    """One name for several, which fits a file system."""
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
