"""A format of somebody else's: weights and structure of a network in a NumPy file."""

import numpy as np


class NpzFormat:
    """A `.npz` file that Keras runs; `unzip` and NumPy read it, too."""

    name = "npz"
    title = "NumPy"
    suffix = ".npz"
    runtime = "keras"
    packages = ()
    input_dtype = None
    output = None
    calibrated = False
    keras_export = None

    def write(self, slim, path, samples=None):
        weights = {f"weight{i}": w for i, w in enumerate(slim.model.get_weights())}
        np.savez(path, structure=slim.model.to_json(), **weights)

    def open(self, path, threads=None):
        import keras

        stored = np.load(path)
        model = keras.models.model_from_json(str(stored["structure"]))
        model.set_weights([stored[f"weight{i}"] for i in range(len(stored) - 1)])
        return lambda images: keras.ops.convert_to_numpy(model(images, training=False))
