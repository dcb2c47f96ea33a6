"""SavedModels of networks, from which LiteRT and ONNX files are converted too."""

import contextlib
import json
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import tensorflow as tf

from dvn_tf.export.metadata import METADATA_FILE
from dvn_tf.export.reproducible import make_reproducible
from dvn_tf.export.slim import SlimNetwork
from dvn_tf.tasks import TaskInfo


def write_saved_model(
    slim: SlimNetwork, folder: pathlib.Path, input_dtype: str, class_names: bool = False
) -> None:
    """Writes a SavedModel's graph and weights.

    Args:
        slim: the network.
        folder: an empty folder.
        input_dtype: dtype of the images, "uint8" or "float32".
        class_names: whether the names of the classes are a second output.
    """

    def serve(images):
        return {slim.output: slim.model(tf.cast(images, slim.input_dtype), training=False)}

    signatures = {
        "serving_default": image_signature(serve, slim.task, input_dtype, class_names),
        "class_names": class_names_signature(slim.task),
    }
    write_signatures(signatures, slim.model.variables, folder)


def write_signatures(
    signatures: Mapping[str, tf.types.experimental.ConcreteFunction],
    weights: Iterable[keras.Variable],
    folder: pathlib.Path,
) -> None:
    """Writes functions and the weights that they use; the same ones give the same bytes.

    Not by `keras.export.ExportArchive`, which stores the weights in an order of its own in each
    process, and serves the first function by default even if nobody asks for it.

    Args:
        signatures: {name: function}.
        weights: all weights that the functions use, in the order of the file.
        folder: an empty folder.
    """
    module = tf.Module()
    module.weights = [weight.value for weight in weights]
    tf.saved_model.save(module, str(folder), signatures=dict(signatures))
    make_reproducible(folder)


def image_signature(
    function: Callable, task: TaskInfo, input_dtype: str, class_names: bool = False
) -> tf.types.experimental.ConcreteFunction:
    """A signature that takes `images`.

    Args:
        function: from images (batch, height, width, channels) to {name: output}.
        task: the task of the images.
        input_dtype: dtype of the images, "uint8" or "float32".
        class_names: whether to add the output "class_names", a row (classes,) for each image, as
            TensorFlow Serving expects of every output.
    """

    def serve(images):
        outputs = function(images)
        if class_names:
            names = tf.constant([list(task.class_names)])
            outputs["class_names"] = tf.tile(names, (tf.shape(images)[0], 1))
        return outputs

    images = tf.TensorSpec((None, *task.image_shape), input_dtype, name="images")
    return tf.function(serve, autograph=False).get_concrete_function(images)


def class_names_signature(task: TaskInfo) -> tf.types.experimental.ConcreteFunction:
    """A signature that takes nothing and gives the names of a task's classes, (classes,)."""
    names = list(task.class_names)

    def name_classes():
        return {"class_names": tf.constant(names, tf.string, (len(names),))}

    return tf.function(name_classes, autograph=False).get_concrete_function()


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
    with temporary_folder(path) as folder:
        write_saved_model(slim, folder, input_dtype)
        yield folder


@contextlib.contextmanager
def temporary_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields an empty folder beside a file, and removes it at the end."""
    folder = path.with_name(f"{path.name}.saved_model")
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_extra(folder: pathlib.Path, metadata: dict) -> None:
    """Writes metadata into a SavedModel's `assets.extra`, which TensorFlow does not load."""
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / METADATA_FILE).write_text(json.dumps(metadata, indent=2), encoding="utf-8")
