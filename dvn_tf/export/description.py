"""What a person with only one exported file needs to know, put into that file.

A `.keras` file is a zip archive, and a LiteRT file may end in one (that is how TensorFlow
Lite packs associated files): `unzip -p FILE description.json` prints it.
"""

import json
import pathlib
import zipfile

from dvn_tf.tasks import TaskInfo
from dvn_tf.units import Units

DESCRIPTION_FILE = "description.json"
LABELS_FILE = "labels.txt"


def describe(task: TaskInfo, level: int, units: Units, input_dtype: str, output: str) -> dict:
    """Describes a network: its task, level, input, normalization, output and class names.

    Args:
        task: its task.
        level: its level, from 1.
        units: its units.
        input_dtype: of the images, "uint8" or "float32".
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


def add_to_archive(path: pathlib.Path, description: dict) -> None:
    """Appends a description and the class names, one a line, to a file as zip members."""
    members = {
        DESCRIPTION_FILE: json.dumps(description, indent=2),
        LABELS_FILE: "\n".join(description["class_names"]) + "\n",
    }
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in members.items():
            # `ZipInfo` without a date, so that the same network gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), text)


def read_from_archive(path: pathlib.Path) -> dict:
    """Reads what `add_to_archive` wrote."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DESCRIPTION_FILE))
