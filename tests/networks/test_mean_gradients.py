"""The mean over uses: each block's gradient is Eq. 4's, divided by the losses that reach it.

`test_under_jax` runs these tests again under JAX.
"""

import keras
import numpy as np
import pytest
from keras import ops
from networks.backend_gradients import assert_same_gradients, autodiff, step_gradient
from reference_networks import CASES, READ_UNCUT, ROWS_OF_4, batch, randomize

from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.mean_gradients import DividedGradient, divide_gradient
from dvn_tf.networks.network import uncompiled
from dvn_tf.networks.objectives import joint_objective

DECAY = 0.3
CASE = CASES["ResNet by the rule"]  # four tasks, units and levels


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_identity_divides_what_comes_back(dtype):
    x = keras.Variable([[3.0, -5.0, 7.0]], dtype=dtype)
    model = keras.Sequential([keras.Input((1,))])  # a place for the variable
    model.add(_Scaled(x))
    found = autodiff(model, np.ones((1, 1), dtype), lambda y: ops.sum(ops.square(y)))
    [gradient] = found.values()
    np.testing.assert_allclose(gradient, [[2 * 3 / 1, -2 * 5 / 2, 2 * 7 / 4]])
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(divide_gradient(x.value, 7.0), x)


class _Scaled(keras.layers.Layer):
    """A variable behind the identity, times the input."""

    def __init__(self, variable):
        super().__init__(dtype=variable.dtype)
        self.variable = variable

    def call(self, x):
        return x * divide_gradient(self.variable.value, np.array([[1.0, 2.0, 4.0]]))


def uses(rows, edges):
    """How many (task, level) use each connection of channels, counted one by one.

    Args:
        rows: edges of the units among the input channels, or their number where all read all.
        edges: edges of the units among the output channels.
    """

    def unit_of(channel, edges):
        return max(unit for unit, start in enumerate(edges, start=1) if start <= channel)

    every = range(rows if isinstance(rows, int) else rows[-1])
    counts = np.zeros((len(every), edges[-1]))
    for levels in ROWS_OF_4:
        for units in levels:
            inside = [isinstance(rows, int) or unit_of(c, rows[:-1]) in units for c in every]
            outside = [unit_of(c, edges[:-1]) in units for c in range(edges[-1])]
            counts += np.outer(inside, outside)
    return counts


def test_the_uses_of_these_tests_are_the_papers():
    """The sums over the tasks of n_h - S + 1 for each unit."""
    counts = uses((0, 2, 4, 6, 8), (0, 2, 4, 6, 8))
    assert counts.diagonal()[::2].tolist() == [9, 12, 11, 8]
    assert counts[0].tolist() == [9, 9, 8, 8, 6, 6, 4, 4]


@pytest.fixture(scope="module")
def steps():
    """The gradients that the optimizer gets for a sum, and for a mean with and without merging."""
    images = batch(CASE, 12)
    rng = np.random.default_rng(7)
    labels = {info.name: rng.integers(0, info.num_classes, 12) for info in CASE.tasks}
    found, logits = [], []
    settings = [{}, {"gradients": "mean"}, {"gradients": "mean", "merge_streams": True}]
    for one in settings:
        network = CASE.build(weight_decay=DECAY, name="network", **one)
        by_output = {
            name: labels[task.name] for name, (task, *_) in network.virtual_networks.items()
        }
        weights = {w.path: np.array(w) for w in network.trainable_weights}
        logits.append(network(images, training=False))
        gradients, _ = step_gradient(network, images, by_output, joint_objective(by_output))
        found.append(gradients)
    return network, weights, found, logits


def test_each_blocks_gradient_is_the_sum_divided_by_its_uses_and_the_decay_is_whole(steps):
    network, weights, (summed, mean, merged), _ = steps
    expected, seen = {}, 0
    for path, gradient in summed.items():
        layer, _, kind = path.rpartition("/")
        decay = DECAY * weights[path] if kind == "kernel" else 0.0
        divisor = 1.0  # heads and normalization have a loss each
        if layer.endswith("_input_conv"):
            divisor = 4
        elif isinstance(network.get_layer(layer), UnitConv2D):
            _, _, width_in, width_out = gradient.shape
            rows = width_in if layer in READ_UNCUT else CASE.edges(width_in)
            divisor = uses(rows, CASE.edges(width_out))
            assert divisor.max() > divisor.min() > 0
            seen += 1
        expected[path] = (gradient - decay) / divisor + decay
    assert seen == 8
    assert_same_gradients(mean, expected)
    assert_same_gradients(merged, expected)


def test_the_network_computes_the_same(steps):
    *_, (expected, found, _) = steps
    for name, logits in expected.items():
        np.testing.assert_array_equal(found[name], logits)


def test_a_saved_network_does_not_say_how_it_was_trained():
    plain, divided = (CASE.build(gradients=how, name="network") for how in ("sum", "mean"))
    assert plain.get_config() == divided.get_config()
    assert uncompiled(plain) is plain
    copy = uncompiled(divided)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in plain.layers]
    assert any(isinstance(layer, DividedGradient) for layer in divided.layers)
    for weight, other in zip(copy.weights, divided.weights, strict=True):
        assert weight.path == other.path
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("frozen_units", [(1,), ()])
def test_frozen_units_take_no_gradient_and_all_else_takes_its_mean(frozen_units):
    units = [(1,), (1, 2), (1, 2, 3)]
    settings = {"fractions": (0.5, 0.3, 0.2), "weight_decay": 0.0, "frozen_units": frozen_units}
    images = np.random.default_rng(0).normal(size=(4, 6, 6, 10)).astype("float32")
    found = []
    for how in ("sum", "mean"):
        inputs = [keras.Input((6, 6, width)) for width in (5, 8, 10)]
        layer = UnitConv2D(10, 3, in_channels=10, gradients=how, name="conv", **settings)
        model = keras.Model(inputs, layer(inputs, in_units=units, out_units=units))
        randomize(model)
        xs = [images[..., :width] for width in (5, 8, 10)]
        found.append(autodiff(model, xs, lambda ys: sum(ops.sum(y**2) for y in ys)))
    counts = np.ones((10, 10))
    counts[:8, :8], counts[:5, :5] = 2, 3
    expected = found[0]["conv/kernel"] / counts
    assert (expected[:, :, :5, :5] == 0).all() == bool(frozen_units)
    assert_same_gradients(found[1], {"conv/kernel": expected})
