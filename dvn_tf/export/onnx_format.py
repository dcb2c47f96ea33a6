"""Slim networks as ONNX files."""

import json
import logging
import pathlib
import tempfile

import numpy as np

from dvn_tf.export.packages import optional_package
from dvn_tf.export.slim import SlimNetwork
from dvn_tf.export.tensorflow_formats import require_tensorflow_backend, write_saved_model
from dvn_tf.files import atomic_file

_OPSET = 17  # of 2022: every runtime in use reads it


class OnnxFormat:
    """An `.onnx` file from `images` (batch, height, width, channels) to logits or probabilities.

    Its metadata properties hold the description, among it the class names, as JSON.
    """

    suffix = ".onnx"

    def check(self) -> None:
        """Converter and runtime are packages of their own."""
        require_tensorflow_backend()
        for module in ("onnx", "tf2onnx", "onnxruntime"):
            optional_package(module)

    def input_dtype(self, slim: SlimNetwork) -> str:
        """What the file takes."""
        return slim.input_dtype

    def write(self, slim: SlimNetwork, path: pathlib.Path, samples: np.ndarray | None) -> None:
        """Writes the file."""
        onnx = optional_package("onnx")
        convert = optional_package("tf2onnx.convert")
        tf_loader = optional_package("tf2onnx.tf_loader")
        # TensorFlow warns of deprecated functions that tf2onnx calls.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        with tempfile.TemporaryDirectory() as folder:
            # From a SavedModel: tf2onnx's from_function would make inputs of the constants of
            # the normalization.
            write_saved_model(slim, pathlib.Path(folder), slim.input_dtype)
            graph, inputs, outputs, names = tf_loader.from_saved_model(
                folder, None, None, "serve", ["serving_default"], return_tensors_to_rename=True
            )
        network, _ = convert.from_graph_def(
            graph,
            name=slim.name,
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=names,
        )
        properties = {key: json.dumps(value) for key, value in slim.describe().items()}
        onnx.helper.set_model_props(network, properties)
        with atomic_file(path) as temporary:
            onnx.save(network, temporary)
