"""The mean over uses: Eq. 4's gradient, divided by the number of losses that reach a weight.

The gradient of Eq. 4 is a sum over all (task, level) that use a weight: three of four for a unit
of a 2 x 2 table, while a network that stands alone has one loss. Divided by their number, it is a
mean, and steps have the size of a separate network's. The network computes the same; only what a
loss sends back is divided.
"""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

SUM, MEAN = "sum", "mean"


def divide_gradient(x, divisor):
    """Gives x itself, whose gradient is divided.

    Args:
        x: a tensor.
        divisor: a number or a NumPy array whose shape broadcasts to that of x.
    """

    @ops.custom_gradient
    def identity(x):
        def grad(upstream):
            return upstream / ops.cast(divisor, upstream.dtype)

        return x, grad

    return identity(x)


def count_uses(shape: tuple[int, ...], blocks: Iterable[tuple]) -> np.ndarray:
    """How many virtual networks use each block of a kernel.

    Args:
        shape: (size, size, in, out) of the kernel.
        blocks: for each virtual network the intervals of rows and of columns that it uses.

    Returns:
        (1, 1, in, out), at least 1.
    """
    uses = np.zeros((1, 1, *shape[2:]), "float32")
    for rows, columns in blocks:
        for top, bottom in rows:
            for left, right in columns:
                uses[..., top:bottom, left:right] += 1
    return np.maximum(uses, 1)


@keras.saving.register_keras_serializable("dvn_tf")
class DividedGradient(keras.layers.Layer):
    """A layer that changes nothing but the gradient, which it divides.

    Behind an input layer it divides the gradient of all weights before it.

    Args:
        divisor: what the gradient is divided by.
    """

    def __init__(self, divisor: float, **kwargs):
        super().__init__(**kwargs)
        self.divisor = divisor

    def call(self, x):
        return divide_gradient(x, self.divisor)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "divisor": self.divisor}
