"""Slim networks as `.keras` files."""


class KerasFormat:
    """A `.keras` file of stock layers: `keras.models.load_model` reads it, on any backend.

    Keras 3.6 and every later version does.
    """

    name = "keras"
    title = "Keras"
    suffix = ".keras"
    runtime = "keras"
    packages = ()
    input_dtype = None
    output = None
    calibrated = False
    keras_export = None

    def write(self, slim, path, samples=None):
        """Writes a file with the network's metadata inside."""
        from dvn_tf.export.keras_config import without_defaults
        from dvn_tf.export.metadata import write_described
        from dvn_tf.training.keras_file import keras_file

        write_described(path, keras_file(slim.model, without_defaults), slim.metadata())

    def open(self, path, threads=None):
        """Loads a file into Keras."""
        import keras

        model = keras.models.load_model(path)
        return lambda images: keras.ops.convert_to_numpy(model(images, training=False))
