"""What version 0.1 wrote, brought to today's form when it is read.

Names of Keras classes are part of its files: they are paths in HDF5. Version 0.1 called
`SwitchableBatchNormalization` otherwise, and kept DA-CNN's layers as widths in its tasks. Versions
before 0.3 padded as TensorFlow does and named no padding.
"""

import contextlib
import io
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Iterator

import h5py

from dvn_tf.networks.padding import SAME

_OLD_NORM, _NORM = "stream_batch_normalization", "switchable_batch_normalization"
_WEIGHTS = "model.weights.h5"  # of a `.keras` archive


def current_config(config: dict) -> dict:
    """The configuration of a `DeepVirtualNetwork` in today's form, as a copy."""
    config = {"padding": SAME, **config, "tasks": [dict(task) for task in config["tasks"]]}
    for task in config["tasks"]:
        if widths := task.pop("head_layers", ()):
            config.setdefault("heads", {})[task["name"]] = {
                "module": "dvn_tf.methods.da_cnn",
                "class_name": "AddedLayersHead",
                "config": {"widths": list(widths)},
                "registered_name": "dvn_tf>AddedLayersHead",
            }
    return config


@contextlib.contextmanager
def current_weights(file: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a file with today's names: the file itself, or a copy for as long as it is needed.

    Args:
        file: a `.keras` or `.weights.h5` file.

    Raises:
        OSError, zipfile.BadZipFile, KeyError: if it is damaged.
    """
    path = pathlib.Path(file)
    archived = path.suffix == ".keras"
    if archived:
        with zipfile.ZipFile(path) as archive:
            weights = archive.read(_WEIGHTS)
    else:
        weights = path.read_bytes()
    if _OLD_NORM.encode() not in weights:
        yield path
        return
    renamed = _renamed(weights)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, path.name)
        if archived:
            with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
                for name in old.namelist():
                    new.writestr(name, renamed if name == _WEIGHTS else old.read(name))
        else:
            copy.write_bytes(renamed)
        yield copy


def _renamed(weights: bytes) -> bytes:
    """An HDF5 file with the groups of old classes renamed."""
    image = io.BytesIO(weights)
    with h5py.File(image, "r+") as file:
        old = []
        file.visit(lambda name: old.append(name) if _is_old(name) else None)
        for name in old:
            parent, _, leaf = name.rpartition("/")
            file.move(name, f"{parent}/{leaf.replace(_OLD_NORM, _NORM)}")
    return image.getvalue()


def _is_old(name: str) -> bool:
    return name.rpartition("/")[2].startswith(_OLD_NORM)
