"""Slim networks as LiteRT (TensorFlow Lite) files, in float32 and in 8-bit integers."""

import dataclasses
import itertools
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

from dvn_tf.errors import UserError
from dvn_tf.export.description import add_to_archive
from dvn_tf.export.packages import optional_package
from dvn_tf.export.slim import SlimNetwork
from dvn_tf.export.tensorflow_formats import require_tensorflow_backend, write_saved_model
from dvn_tf.files import atomic_file


class LiteRTFormat:
    """A `.tflite` file with the signature images -> logits or probabilities, any batch size.

    Description and class names are packed behind the network as a zip archive, as TensorFlow
    Lite packs associated files; interpreters do not read that far.

    Args:
        int8: compute in 8-bit integers: weights per channel, activations by the ranges they
            take on sample images. Images go in as uint8, outputs come out as float32.
    """

    suffix = ".tflite"

    def __init__(self, int8: bool = False):
        self.int8 = int8

    def check(self) -> None:
        """The runtime is a package of its own; the converter is TensorFlow's."""
        require_tensorflow_backend()
        optional_package("ai_edge_litert.interpreter")

    def input_dtype(self, slim: SlimNetwork) -> str:
        """What the file takes."""
        return "uint8" if self.int8 else slim.input_dtype

    def write(self, slim: SlimNetwork, path: pathlib.Path, samples: np.ndarray | None) -> None:
        """Writes the file.

        Args:
            slim: the network.
            path: the file.
            samples: training images, uint8 (n, height, width, channels), for int8 alone.

        Raises:
            UserError: if int8 has no images.
        """
        if self.int8 and samples is None:
            raise UserError("litert_int8 needs training images to find its ranges: --data_dir")
        dtype = self.input_dtype(slim)
        if not self.int8:
            slim = dataclasses.replace(slim, model=_split_convolutions(slim.model))
        with tempfile.TemporaryDirectory() as folder:
            write_saved_model(slim, pathlib.Path(folder), dtype)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=["serving_default"]
            )
            if self.int8:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = lambda: ([image[None]] for image in samples)
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            network = converter.convert()
        with atomic_file(path) as temporary:
            temporary.write_bytes(network)
            add_to_archive(temporary, slim.describe(dtype))


# XNNPACK, LiteRT's library of kernels, computes float32 convolutions of more than 16 output
# channels 32 at a time where the processor has AVX-512.
_LANES = 32


class _SplitConv2D(keras.layers.Conv2D):
    """A convolution as two, side by side: of a multiple of 32 output channels, and the rest."""

    def call(self, inputs):
        bounds = (0, self.filters // _LANES * _LANES, self.filters)
        outputs = []
        for start, stop in itertools.pairwise(bounds):
            kernel = self.kernel[..., start:stop]
            part = keras.ops.conv(inputs, kernel, self.strides, self.padding)
            outputs.append(part + self.bias[start:stop] if self.use_bias else part)
        return keras.ops.concatenate(outputs, axis=-1)


def _split_convolutions(model: keras.Model) -> keras.Model:
    """The same network with convolutions cut so that no lane of the processor idles.

    A layer of 48 channels takes as long as one of 64; cut into 32 and 16 it takes three
    quarters of that. A rest of more than 16 would gain nothing.
    """

    def copied(layer):
        rest = layer.filters % _LANES if isinstance(layer, keras.layers.Conv2D) else 0
        idle = 0 < rest <= _LANES // 2 and layer.filters > _LANES
        return (_SplitConv2D if idle else type(layer)).from_config(layer.get_config())

    clone = keras.models.clone_model(model, clone_function=copied)
    clone.set_weights(model.get_weights())
    return clone
