"""SavedModels of slim networks, from which LiteRT and ONNX files are converted too."""

import contextlib
import json
import pathlib
import shutil
from collections.abc import Iterator

import keras
import tensorflow as tf

from dvn_tf.export.metadata import METADATA_FILE
from dvn_tf.export.slim import SlimNetwork


def write_saved_model(slim: SlimNetwork, folder: pathlib.Path, input_dtype: str) -> None:
    """Writes a SavedModel's graph and weights.

    Args:
        slim: the network.
        folder: an empty folder.
        input_dtype: dtype of the images, "uint8" or "float32".
    """
    images = tf.TensorSpec((None, *slim.task.image_shape), input_dtype, name="images")
    names = list(slim.task.class_names)
    # No `track(model)`, which would store every weight a second time.
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default",
        lambda images: {slim.output: slim.model(tf.cast(images, slim.input_dtype), training=False)},
        input_signature=[images],
    )
    archive.add_endpoint(
        "class_names",
        lambda: {"class_names": tf.constant(names, tf.string, (len(names),))},
        input_signature=[],
    )
    archive.write_out(str(folder), verbose=False)


@contextlib.contextmanager
def temporary_saved_model(
    slim: SlimNetwork, path: pathlib.Path, input_dtype: str
) -> Iterator[pathlib.Path]:
    """Yields a SavedModel beside a file that is converted from it, and removes it at the end.

    Both need space on the same disk, so that a message about it is right.

    Args:
        slim: the network.
        path: the file.
        input_dtype: dtype of the images, "uint8" or "float32".
    """
    folder = path.with_name(f"{path.name}.saved_model")
    try:
        folder.mkdir()
        write_saved_model(slim, folder, input_dtype)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_extra(folder: pathlib.Path, metadata: dict) -> None:
    """Writes metadata into a SavedModel's `assets.extra`, which TensorFlow does not load."""
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / METADATA_FILE).write_text(json.dumps(metadata, indent=2), encoding="utf-8")
