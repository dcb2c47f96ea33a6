"""Slim networks as ONNX files."""

import contextlib
import logging
import os

_OPSET = 17  # of 2022: every runtime in use reads it


class OnnxFormat:
    """An `.onnx` file from `images` (batch, height, width, channels) to logits or probabilities.

    Its properties hold the network's metadata; ONNX's standard properties of images are among
    them.
    """

    name = "onnx"
    title = "ONNX Runtime"
    suffix = ".onnx"
    runtime = "onnxruntime"
    packages = ("tensorflow", "onnx", "tf2onnx")
    input_dtype = None
    output = None
    calibrated = False
    keras_export = None

    def write(self, slim, path, samples=None):
        """Converts a SavedModel of the network."""
        with _environment_kept():
            from tf2onnx import convert, tf_loader

        from dvn_tf.export.onnx_names import describe, rename
        from dvn_tf.export.saved_model import temporary_saved_model
        from dvn_tf.files import writing

        # TensorFlow warns of deprecated functions that tf2onnx calls.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # From a SavedModel: tf2onnx's from_function would turn the constants of the normalization
        # into inputs.
        with temporary_saved_model(slim, path, slim.input_dtype) as folder:
            graph, inputs, outputs, names = tf_loader.from_saved_model(
                str(folder), None, None, "serve", ["serving_default"], return_tensors_to_rename=True
            )
        network, _ = convert.from_graph_def(
            graph,
            name=slim.name,
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=names,
        )
        rename(network)
        describe(network, slim.name, slim.metadata())
        content = network.SerializeToString(deterministic=True)
        with writing(path, len(content)):
            path.write_bytes(content)

    def open(self, path, threads=None):
        """Loads a file into ONNX Runtime, on the CPU."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: one for each core
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        [images_in] = session.get_inputs()
        return lambda images: session.run(None, {images_in.name: images})[0]


@contextlib.contextmanager
def _environment_kept():
    """Undoes what the import of tf2onnx does: TensorFlow's errors hidden in every child process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
