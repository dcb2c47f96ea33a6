"""What each exported file says of itself, for a person who has only that file.

A `.keras` file is a zip archive, and a LiteRT file may end in one (this is how TensorFlow Lite
packs associated files): `unzip -p FILE description.json` prints the metadata.
"""

import hashlib
import importlib
import io
import json
import pathlib
import zipfile
from collections.abc import Mapping

import keras

import dvn_tf
from dvn_runtime.description import DESCRIPTION_FILE
from dvn_tf.files import writing
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import Units

METADATA_FILE = DESCRIPTION_FILE
LABELS_FILE = "labels.txt"


def network_metadata(
    task: TaskInfo,
    level: int,
    units: Units,
    input_dtype: str,
    output: str,
    origin: Mapping | None = None,
) -> dict:
    """The metadata of a virtual network: what it takes and gives, and where it comes from.

    Args:
        task: its task.
        level: its level, from 1.
        units: its units.
        input_dtype: dtype of the images, "uint8" or "float32".
        output: "logits" or "probabilities".
        origin: the run that trained it, {"scenario", "method", "seed", "backbone"}; None if it is
            unknown.
    """
    return {
        "task": task.name,
        "level": level,
        "units": list(units),
        "input": {"dtype": input_dtype, "shape": list(task.image_shape), "range": [0, 255]},
        "images": image_facts(task),
        "normalization": {
            "mean": list(task.mean),
            "std": list(task.std),
            "note": "done by the network itself: pass pixel values as they are",
        },
        "output": output,
        "class_names": list(task.class_names),
        "origin": dict(origin or {}),
        "versions": versions(),
    }


def image_facts(task: TaskInfo) -> dict:
    """How the images of a task are laid out and made, for a person who has only a file.

    Args:
        task: the task.

    Returns:
        {"layout": the order of the axes of a batch, "colors": the order of the channels, "resize":
        how an image of another size is brought to the task's}.
    """
    height, width, channels = task.image_shape
    resize = f"to {width} x {height} pixels (width x height), bilinear with antialiasing, "
    resize += "whatever the aspect ratio"
    if task.crop_from is not None:
        resize = (
            f"so that their central square has {task.crop_from} x {task.crop_from} pixels, "
            f"bilinear with antialiasing, and take the middle, {width} x {height} pixels, of that"
        )
    return {
        "layout": "NHWC",
        "colors": {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels"),
        "resize": resize,
    }


def in_words(metadata: Mapping) -> str:
    """The metadata of a network in sentences, for the description field of a file.

    Args:
        metadata: see `network_metadata`.
    """
    takes, images, origin = metadata["input"], metadata["images"], metadata["origin"]
    where = ", ".join(f"{key} {value}" for key, value in origin.items())
    made_by = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items())
    low, high = takes["range"]
    sentences = [
        f"Classifies images of the task {metadata['task']}, at memory level {metadata['level']}.",
        f"Takes {takes['dtype']} images in the layout {images['layout']}, {images['colors']}, with "
        f"pixel values {low} to {high}, which it normalizes itself.",
        f"Resize images {images['resize']}.",
        f"Gives {metadata['output']}.",
        f"From {where}." if where else "",
        f"Made with {made_by}.",
    ]
    return " ".join(filter(None, sentences))


def versions() -> dict:
    """The versions of this package, of Keras and of the backend that Keras runs on."""
    backend = keras.backend.backend()
    return {
        "dvn_tf": dvn_tf.__version__,
        "keras": keras.version(),
        backend: importlib.import_module(backend).__version__,
    }


def write_described(path: pathlib.Path, content: bytes, metadata: dict) -> None:
    """Writes a file with metadata, and the class names one a line, appended as zip members.

    Args:
        path: the file to write.
        content: what the members are appended to.
        metadata: see `network_metadata`.

    Raises:
        UserError: if the file cannot be written; it says how much space was needed.
    """
    file = io.BytesIO(content)
    members = {METADATA_FILE: json.dumps(metadata, indent=2)}
    if metadata["class_names"]:
        members[LABELS_FILE] = "\n".join(metadata["class_names"]) + "\n"
    with zipfile.ZipFile(file, "a") as archive:
        for name, text in members.items():
            # `ZipInfo` has no date, so that the same network gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), text)
    with writing(path, len(file.getbuffer())):
        path.write_bytes(file.getbuffer())


def with_hash(metadata: dict, network: bytes) -> dict:
    """Metadata with the hash of the network that it describes.

    Args:
        metadata: see `network_metadata`.
        network: the file without its metadata.
    """
    return {**metadata, "network_sha256": hashlib.sha256(network).hexdigest()}
