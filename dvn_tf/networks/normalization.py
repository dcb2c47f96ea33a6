"""Batch normalization with statistics of its own for every virtual network.

Like `UnitConv2D`, it serves all virtual networks in one call. Written against `keras.ops` alone.
"""

import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("dvn_tf")
class SwitchableBatchNormalization(keras.layers.Layer):
    """Batch normalization with separate statistics, scale and offset for every virtual network.

    Activations of different levels have different statistics, so that virtual networks share
    nothing here. The vectors of all virtual networks lie side by side in one variable each: four
    variables a layer instead of four for each (task, level) keep the graph of a k x n_h network
    small (J2 of the paper would have 2,624 of them).

    Args:
        widths: channels of each virtual network.
        momentum: of the moving statistics.
        epsilon: added to the variance.

    Call arguments:
        inputs: list of tensors (batch, height, width, widths[i]).
        training: normalize by the batch's statistics and update the moving ones.
        networks: the virtual networks whose tensors `inputs` are, from 0, where these are not
            all. The others' statistics, scale and offset stay as they are.

    Reference:
        Ioffe and Szegedy, "Batch normalization", 2015; Yu et al., "Slimmable neural networks",
        ICLR 2019, section 3.3, which calls it switchable.
    """

    def __init__(
        self, widths: Sequence[int], momentum: float = 0.9, epsilon: float = 1e-5, **kwargs
    ):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        def vector(name, initializer, trainable=True):
            # Kept and computed in single precision under mixed precision too.
            return self.add_weight(
                name=name,
                shape=(sum(self.widths),),
                initializer=initializer,
                trainable=trainable,
                autocast=False,
            )

        self.gamma = vector("gamma", "ones")
        self.beta = vector("beta", "zeros")
        self.moving_mean = vector("moving_mean", "zeros", trainable=False)
        self.moving_variance = vector("moving_variance", "ones", trainable=False)

    def weights_of(self, index: int):
        """(gamma, beta, moving mean, moving variance), each (widths[index],), of one network."""
        start = sum(self.widths[:index])
        stop = start + self.widths[index]
        return tuple(
            vector[start:stop]
            for vector in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )

    def call(self, inputs, training=False, networks=None):
        # Statistics of half precision numbers are taken in single precision.
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        inputs = [ops.cast(x, dtype) for x in inputs]
        gamma, beta = self._values(self.gamma, networks), self._values(self.beta, networks)
        if training and self.trainable:
            *outputs, mean, variance = _normalize_batches(self.epsilon)(gamma, beta, *inputs)
            self._move(self.moving_mean, mean, networks)
            self._move(self.moving_variance, variance, networks)
        else:
            # Not by `rsqrt`: TensorFlow rounds it by the position in the vector, and a virtual
            # network must not change with those beside it.
            variance = self._values(self.moving_variance, networks)
            scale = gamma / ops.sqrt(variance + self.epsilon)
            shift = beta - self._values(self.moving_mean, networks) * scale
            outputs = _scale_and_shift(inputs, scale, shift)
        return [ops.cast(y, self.compute_dtype) for y in outputs]

    def compute_output_spec(self, inputs, training=False, networks=None):
        # Keras would find it by tracing `call`, which takes seconds in a large network.
        return [keras.KerasTensor(x.shape, dtype=self.compute_dtype) for x in inputs]

    def _values(self, vector, networks):
        """The values of some virtual networks' channels, side by side; None is all of them."""
        if networks is None:
            return vector.value
        parts = _split(vector.value, self.widths)
        return ops.concatenate([parts[number] for number in networks])

    def _move(self, moving, values, networks):
        values = self._values(moving, networks) * self.momentum + values * (1.0 - self.momentum)
        if networks is not None:
            parts = dict(enumerate(_split(moving.value, self.widths)))
            own_widths = [self.widths[number] for number in networks]
            parts |= zip(networks, _split(values, own_widths), strict=True)
            values = ops.concatenate(list(parts.values()))
        moving.assign(values)

    def get_config(self):
        return {
            **super().get_config(),
            "widths": self.widths,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


_POSITIONS = (0, 1, 2)  # the axes batch, height and width, over which statistics are taken


def _normalize_batches(epsilon: float):
    """A function that normalizes each input by its own batch statistics, and its gradient.

    The function takes gamma, beta and every x (b, h, w, c), and returns every x normalized, then
    the batch means and variances. Vectors (sum of all c,) hold the channels of all virtual
    networks side by side: arithmetic on channels is done once a layer, not once a network.

    The gradient is in closed form (Ioffe and Szegedy, section 3): two reductions and one pass
    over each x replace the dozen passes of automatic differentiation.
    """

    @ops.custom_gradient
    def normalize(gamma, beta, *inputs):
        means = [ops.mean(x, axis=_POSITIONS) for x in inputs]  # each (b, h, w, c) to (c,)
        # Both directions work on x - mean: sums of x itself would cancel where the mean is large.
        centred = [x - mean for x, mean in zip(inputs, means, strict=True)]
        variance = ops.concatenate([ops.mean(ops.square(x), axis=_POSITIONS) for x in centred])
        inverse_std = ops.rsqrt(variance + epsilon)
        scale = gamma * inverse_std
        outputs = _scale_and_shift(centred, scale, beta)

        def grad(*args, upstream=None):
            if upstream is None:  # TensorFlow hands over an argument an output, JAX one tuple
                upstream = args[0] if len(args) == 1 else args
            # The moving statistics take no gradient: what comes for mean and variance is dropped.
            upstream = upstream[: len(inputs)]
            # (sum of all c,), like every vector here.
            dbeta = ops.concatenate([ops.sum(dy, axis=_POSITIONS) for dy in upstream])
            products = [
                ops.sum(dy * x, axis=_POSITIONS) for dy, x in zip(upstream, centred, strict=True)
            ]
            dgamma = ops.concatenate(products) * inverse_std
            # dx = scale * (dy - mean(dy) - x_hat * mean(dy * x_hat)), x_hat = (x - mean) / std
            share = scale / _positions_per_channel(inputs)
            slopes = _by_network(-share * inverse_std * dgamma, inputs)
            scaled = _scale_and_shift(upstream, scale, -share * dbeta)
            dx = [y + x * slope for y, x, slope in zip(scaled, centred, slopes, strict=True)]
            return dgamma, dbeta, *dx

        return (*outputs, ops.concatenate(means), variance), grad

    return normalize


def _positions_per_channel(inputs):
    """For each channel of each virtual network, the number of positions b * h * w."""
    counts = [math.prod(ops.shape(x)[:3]) for x in inputs]
    widths = [x.shape[-1] for x in inputs]
    if all(isinstance(count, int) for count in counts):
        return np.repeat(
            np.asarray(counts, keras.backend.standardize_dtype(inputs[0].dtype)), widths
        )
    return ops.repeat(ops.cast(ops.stack(counts), inputs[0].dtype), widths)


def _scale_and_shift(inputs, scale, shift):
    """x * scale + shift for every x; the vectors hold the channels of all of them."""
    scales, shifts = _by_network(scale, inputs), _by_network(shift, inputs)
    return [x * a + b for x, a, b in zip(inputs, scales, shifts, strict=True)]


def _by_network(vector, inputs) -> list:
    """Splits a vector of all channels into one for each virtual network."""
    return _split(vector, [x.shape[-1] for x in inputs])


def _split(vector, widths) -> list:
    edges = list(itertools.accumulate(widths))[:-1]
    return ops.split(vector, edges) if edges else [vector]  # TensorFlow splits into 2 or more
