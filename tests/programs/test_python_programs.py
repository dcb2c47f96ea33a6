"""Programs of others that run exported files from Python, without this package."""

import sys
from typing import NamedTuple

import pytest

from tests.programs.python_runs import run_in_python

_TENSORFLOW = """
import tensorflow as tf
def version(): return tf.__version__
def open_network(path, name):
    loaded = tf.saved_model.load(path)
    return lambda images: loaded.signatures["serving_default"](images=tf.constant(images))[name]
"""
_KERAS = """
import keras
def version(): return f"{keras.__version__} on {keras.backend.backend()}"
def open_network(path, name):
    model = keras.models.load_model(path)
    return lambda images: model.predict(images, verbose=0)
"""
_ONNX_RUNTIME = """
import onnxruntime
def version(): return onnxruntime.__version__
def open_network(path, name):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run([name], {"images": images})[0]
"""
_ONNXSLIM = """
import onnx, onnxruntime, onnxslim
def version(): return onnxslim.__version__
def open_network(path, name):
    slim = onnxslim.slim(onnx.load(path)).SerializeToString()
    session = onnxruntime.InferenceSession(slim, providers=["CPUExecutionProvider"])
    return lambda images: session.run([name], {"images": images})[0]
"""
_OPENVINO = """
import openvino
def version(): return openvino.__version__.partition("-")[0]
def open_network(path, name):
    hint = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors compute in bfloat16 otherwise
    network = openvino.compile_model(path, "CPU", hint)
    def run(images):
        if path.endswith(".tflite"):  # one image at a time
            return np.concatenate([network([image[None]])[0] for image in images])
        return network([images])[0]
    return run
"""
_OPENCV = """
import cv2
def version(): return cv2.__version__
def open_network(path, name):
    network = cv2.dnn.readNetFromONNX(path)
    def run(images):
        network.setInput(images)
        return network.forward()
    return run
"""
_LITERT = """
import importlib.metadata
from ai_edge_litert.interpreter import Interpreter
def version(): return importlib.metadata.version("ai-edge-litert")
def open_network(path, name):
    interpreter = Interpreter(path)
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    def run(images):  # a whole batch
        interpreter.resize_tensor_input(taken["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])
    return run
"""


class Program(NamedTuple):
    """A program, and how it is had.

    Attributes:
        name: in the guide's table.
        packages: what pip installs into an environment of its own; none is this environment.
        formats: of the files that it runs.
        script: see `run_in_python`.
        beside: what pip installs, without its dependencies, in front of this environment.
        absent: packages that the program must do without.
        backend: of Keras.
    """

    name: str
    packages: tuple[str, ...]
    formats: tuple[str, ...]
    script: str
    beside: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    backend: str = "tensorflow"


OLDEST_KERAS = "keras==3.6.0"
PROGRAMS = [
    Program("TensorFlow", (), ("tf_saved_model",), _TENSORFLOW, absent=("keras",)),
    Program("Keras", ("keras", "jax"), ("keras",), _KERAS, backend="jax"),
    Program("Keras", (OLDEST_KERAS, "jax"), ("keras",), _KERAS, backend="jax"),
    Program("Keras", (), ("keras",), _KERAS),
    Program("Keras", (), ("keras",), _KERAS, beside=(OLDEST_KERAS,)),
    Program("ONNX Runtime", ("onnxruntime",), ("onnx",), _ONNX_RUNTIME),
    Program("onnxslim", ("onnxslim", "onnxruntime"), ("onnx",), _ONNXSLIM),
    Program("OpenVINO", ("openvino",), ("onnx", "tf_saved_model", "litert"), _OPENVINO),
    Program("OpenCV", ("opencv-python-headless",), ("onnx",), _OPENCV),
    Program("LiteRT", ("ai-edge-litert",), ("litert", "litert_int8"), _LITERT),
]
IDS = [
    " ".join([p.name, *p.packages[:1], *p.beside, p.backend]).replace(" ", "-") for p in PROGRAMS
]


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_it_answers_as_keras_does(program, export, environment, beside, record, tmp_path):
    python = environment(*program.packages) if program.packages else sys.executable
    variables = {"KERAS_BACKEND": program.backend}
    if program.beside:
        variables["PYTHONPATH"] = str(beside(*program.beside))
    absent = ("dvn_tf", "dvn_runtime", *program.absent)
    for format in program.formats:
        entries = export.files(format)
        version, answers = run_in_python(
            python, program.script, export, entries, tmp_path, absent, **variables
        )
        for entry, found in zip(entries, answers, strict=True):
            expected = export.answers(entry)
            difference, changed = record(program.name, version, format, export, found, expected)
            quantized = format == "litert_int8"
            assert difference < (0.05 if quantized else 1e-5), entry["file"]
            assert changed == 0 or quantized, entry["file"]
