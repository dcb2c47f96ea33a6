"""Slim networks as Keras models and as SavedModels."""

import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from dvn_tf.errors import UserError
from dvn_tf.export.description import DESCRIPTION_FILE, add_to_archive
from dvn_tf.export.slim import SlimNetwork
from dvn_tf.files import atomic_file, atomic_folder


class KerasFormat:
    """A `.keras` file of stock layers: `keras.models.load_model` reads it, on any backend."""

    suffix = ".keras"

    def check(self) -> None:
        """Nothing beyond Keras is needed."""

    def input_dtype(self, slim: SlimNetwork) -> str:
        """What the file takes."""
        return slim.input_dtype

    def write(self, slim: SlimNetwork, path: pathlib.Path, samples: np.ndarray | None) -> None:
        """Writes the file."""
        with atomic_file(path) as temporary:
            slim.model.save(temporary)
            add_to_archive(temporary, slim.describe())


class SavedModelFormat:
    """TensorFlow's SavedModel, which runs without Keras and without this package.

    Its signature "serving_default" takes `images` and gives `logits` or `probabilities`; the
    signature "class_names" takes nothing. The folder `assets.extra`, where SavedModel keeps
    what a graph does not load, holds the description for people.
    """

    suffix = ""

    def check(self) -> None:
        """Keras writes SavedModels on the backend TensorFlow."""
        require_tensorflow_backend()

    def input_dtype(self, slim: SlimNetwork) -> str:
        """What the folder's signature takes."""
        return slim.input_dtype

    def write(self, slim: SlimNetwork, path: pathlib.Path, samples: np.ndarray | None) -> None:
        """Writes the folder."""
        with atomic_folder(path) as temporary:
            write_saved_model(slim, temporary, slim.input_dtype)
            write_extra(temporary, slim.describe())


def write_saved_model(slim: SlimNetwork, folder: pathlib.Path, input_dtype: str) -> None:
    """Writes a SavedModel's graph and weights; LiteRT and ONNX are converted from one, too.

    Args:
        slim: the network.
        folder: an empty folder.
        input_dtype: "uint8" or "float32" for the images.
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


def write_extra(folder: pathlib.Path, description: dict) -> None:
    """Puts a description into a SavedModel's `assets.extra`."""
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2), encoding="utf-8")


def require_tensorflow_backend() -> None:
    """Raises a `UserError` where Keras runs on another backend than TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.backend.backend()}, and this format needs TensorFlow: set "
            "KERAS_BACKEND=tensorflow, or export --format=keras"
        )
