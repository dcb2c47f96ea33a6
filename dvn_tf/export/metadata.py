"""What each exported file says of itself, for a person who has only that file.

A `.keras` file is a zip archive, and a LiteRT file may end in one (this is how TensorFlow Lite
packs associated files): `unzip -p FILE description.json` prints the metadata.
"""

import json
import pathlib
import zipfile

from dvn_tf.tasks import TaskInfo
from dvn_tf.units import Units

METADATA_FILE = "description.json"
LABELS_FILE = "labels.txt"


def network_metadata(
    task: TaskInfo, level: int, units: Units, input_dtype: str, output: str
) -> dict:
    """The metadata of a virtual network: task, level, input, normalization, output and classes.

    Args:
        task: its task.
        level: its level, from 1.
        units: its units.
        input_dtype: dtype of the images, "uint8" or "float32".
        output: "logits" or "probabilities".
    """
    return {
        "task": task.name,
        "level": level,
        "units": list(units),
        "input": {"dtype": input_dtype, "shape": list(task.image_shape), "range": [0, 255]},
        "normalization": {
            "mean": list(task.mean),
            "std": list(task.std),
            "note": "done by the network itself: pass pixel values as they are",
        },
        "output": output,
        "class_names": list(task.class_names),
    }


def add_to_archive(path: pathlib.Path, metadata: dict) -> None:
    """Appends metadata, and the class names one a line, to a file as zip members."""
    members = {
        METADATA_FILE: json.dumps(metadata, indent=2),
        LABELS_FILE: "\n".join(metadata["class_names"]) + "\n",
    }
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in members.items():
            # `ZipInfo` has no date, so that the same network gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), text)
