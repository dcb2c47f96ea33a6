"""Slim networks as SavedModels."""


class SavedModelFormat:
    """TensorFlow's SavedModel, a folder that runs without Keras and without this package.

    Its signature "serving_default" takes `images` and returns `logits` or `probabilities`, and on
    request `class_names`; its signature "class_names" takes nothing. The folder `assets.extra`,
    which TensorFlow does not load, holds the metadata as JSON.
    """

    name = "tf_saved_model"
    title = "TensorFlow"
    suffix = ""
    runtime = "tensorflow"
    packages = ()
    input_dtype = None
    output = None
    calibrated = False
    keras_export = "tf_saved_model"

    def write(self, slim, path, samples=None):
        """Fills a folder."""
        from dvn_tf.export.saved_model import write_extra, write_saved_model

        write_saved_model(slim, path, slim.input_dtype, slim.names_classes)
        write_extra(path, slim.metadata())

    def open(self, path, threads=None, signature="serving_default"):
        """Loads a signature into TensorFlow."""
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        [argument] = loaded.signatures[signature].structured_input_signature[1]

        def run(images):
            # Through `loaded`: the signature alone does not keep the variables alive.
            outputs = loaded.signatures[signature](**{argument: tf.constant(images)})
            [numbers] = (value for name, value in outputs.items() if name != "class_names")
            return numbers.numpy()

        return run
