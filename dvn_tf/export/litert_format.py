"""Slim networks as LiteRT (TensorFlow Lite) files, in float32 and in 8-bit integers."""

import os


class LiteRTFormat:
    """A `.tflite` file with the signature images -> probabilities or logits, one image at a time.

    `resize_tensor_input` makes room for a batch. Metadata and class names follow the network as a
    zip archive, which is how TensorFlow Lite packs associated files; interpreters do not read that
    far.
    """

    name = "litert"
    title = "LiteRT float32"
    suffix = ".tflite"
    runtime = "ai_edge_litert.interpreter"
    packages = ("tensorflow",)
    input_dtype = None
    output = "probabilities"
    calibrated = False
    keras_export = "litert"

    def write(self, slim, path, samples=None):
        """Converts a SavedModel of the network."""
        import tensorflow as tf

        from dvn_tf.export.litert_network import finished
        from dvn_tf.export.metadata import with_hash, write_described
        from dvn_tf.export.saved_model import temporary_saved_model

        dtype = self.input_dtype or slim.input_dtype
        metadata = slim.metadata(dtype)
        converted = slim.without_softmax() if self.calibrated else slim
        with temporary_saved_model(converted, path, dtype) as folder:
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(folder), signature_keys=["serving_default"]
            )
            self.configure(converter, samples)
            network = converter.convert()
        network = finished(network, slim.name, metadata, softmax=converted is not slim)
        write_described(path, network, with_hash(metadata, network))

    def configure(self, converter, samples) -> None:
        """Sets what a `tf.lite.TFLiteConverter` does to the network: nothing, for float32."""

    def open(self, path, threads=None):
        """Loads a file into LiteRT; a change of the batch size costs some time."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
        [images_in] = interpreter.get_input_details()
        [outputs_out] = interpreter.get_output_details()
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


class LiteRTInt8Format(LiteRTFormat):
    """A `.tflite` file that computes in 8-bit integers.

    Weights are quantized by output channel, activations by the ranges that they take on
    training images. The network takes uint8 images and returns float32.
    """

    name = "litert_int8"
    title = "LiteRT int8"
    input_dtype = "uint8"
    calibrated = True
    keras_export = None

    def configure(self, converter, samples) -> None:
        """Has the converter quantize weights and activations."""
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
