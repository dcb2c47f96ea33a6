"""Files of increments: Keras and LiteRT models with several inputs and outputs that have names."""

import pathlib
from collections.abc import Callable, Mapping

import flatbuffers
import keras
import numpy as np

from dvn_tf.errors import UserError
from dvn_tf.export.increments import Increment
from dvn_tf.export.keras_config import without_defaults
from dvn_tf.export.metadata import with_hash, write_described
from dvn_tf.training.keras_file import keras_file

SUFFIXES = {"keras": ".keras", "litert": ".tflite"}
Arrays = Mapping[str, np.ndarray]


def check_increment_formats(names) -> list[str]:
    """Checks that increments can be written in some formats.

    Args:
        names: names of formats.

    Returns:
        The names, without repetitions.

    Raises:
        UserError: if a format is not one of `SUFFIXES`.
    """
    for name in names:
        if name not in SUFFIXES:
            raise UserError(
                f"increments are not written in the format {name!r}: choose from "
                f"{', '.join(SUFFIXES)}"
            )
    return list(dict.fromkeys(names))


def write_increment(
    increment: Increment, path: pathlib.Path, format: str, metadata: Mapping
) -> None:
    """Writes an increment with its metadata.

    Args:
        increment: the increment.
        path: the file.
        format: "keras" or "litert".
        metadata: what the file says of itself.
    """
    if format == "keras":
        write_described(path, keras_file(increment.model, without_defaults), dict(metadata))
    else:
        network = _litert(increment, path)
        write_described(path, network, with_hash(dict(metadata), network))


def open_increment(
    path: pathlib.Path, format: str, threads: int | None = None
) -> Callable[[Arrays], Arrays]:
    """Loads an increment.

    Args:
        path: the file.
        format: "keras" or "litert".
        threads: CPU threads of LiteRT; None is one.

    Returns:
        A function from {name: input} to {name: output}, for batches of any size.
    """
    if format == "keras":
        model = keras.models.load_model(path)
        convert = keras.ops.convert_to_numpy
        return lambda inputs: {k: convert(v) for k, v in model(inputs, training=False).items()}
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=threads or 1).get_signature_runner("serving_default")
    return lambda inputs: run(**inputs)


def _litert(increment: Increment, path: pathlib.Path) -> bytes:
    import tensorflow as tf
    from ai_edge_litert import schema_py_generated as schema

    from dvn_tf.export.litert_network import AlignedBuffer
    from dvn_tf.export.saved_model import temporary_folder, write_signatures

    specs = {
        name: tf.TensorSpec((None, *x.shape[1:]), "float32", name=name)
        for name, x in increment.model.input.items()
    }

    def serve(**inputs):
        return increment.model(inputs, training=False)

    function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    with temporary_folder(path) as folder:
        write_signatures({"serving_default": function}, increment.model.variables, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=["serving_default"]
        )
        content = converter.convert()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = None  # batches of one, unless an interpreter is told otherwise
    model.buffers = [AlignedBuffer(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(len(content) + 2**16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
