"""Exported files run by their own runtimes, without TensorFlow where it is not the runtime.

`RUNNERS[format](path, threads)` gives a function from images to outputs. `threads` None is as
many as there are cores; TensorFlow's threads are a setting of the whole process instead.
"""

import os
import pathlib
from collections.abc import Callable

import numpy as np

from dvn_tf.export.packages import optional_package

Runner = Callable[[np.ndarray], np.ndarray]


def run_keras(path: pathlib.Path, threads: int | None = None) -> Runner:
    """Runs a `.keras` file in Keras."""
    import keras

    model = keras.models.load_model(path)
    return lambda images: keras.ops.convert_to_numpy(model(images, training=False))


def run_saved_model(
    path: pathlib.Path, threads: int | None = None, signature: str = "serving_default"
) -> Runner:
    """Runs a signature of a SavedModel in TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    [argument] = loaded.signatures[signature].structured_input_signature[1]

    def run(images):
        # Through `loaded`: the signature alone does not keep the variables alive.
        [outputs] = loaded.signatures[signature](**{argument: tf.constant(images)}).values()
        return outputs.numpy()

    return run


def run_litert(path: pathlib.Path, threads: int | None = None) -> Runner:
    """Runs a `.tflite` file in LiteRT; a change of the batch size costs some time."""
    litert = optional_package("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(path), num_threads=threads or os.cpu_count())
    [images_in], [outputs_out] = interpreter.get_input_details(), interpreter.get_output_details()
    shape = None

    def run(images):
        nonlocal shape
        if images.shape != shape:
            interpreter.resize_tensor_input(images_in["index"], images.shape)
            interpreter.allocate_tensors()
            shape = images.shape
        interpreter.set_tensor(images_in["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(outputs_out["index"])

    return run


def run_onnx(path: pathlib.Path, threads: int | None = None) -> Runner:
    """Runs an `.onnx` file in ONNX Runtime on the CPU."""
    onnxruntime = optional_package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    [images_in] = session.get_inputs()
    return lambda images: session.run(None, {images_in.name: images})[0]


RUNNERS = {
    "keras": run_keras,
    "tf_saved_model": run_saved_model,
    "litert": run_litert,
    "litert_int8": run_litert,
    "onnx": run_onnx,
}
