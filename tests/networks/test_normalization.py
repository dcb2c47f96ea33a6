"""Batch normalization by virtual network against stock Keras layers, forwards and backwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dvn_tf.networks.normalization import SwitchableBatchNormalization

WIDTHS = (3, 5, 2)
BATCHES = (4, 2, 7)


class Pair:
    """A `SwitchableBatchNormalization` and as many stock layers, with the same random weights."""

    def __init__(self, dtype="float32", seed=0):
        rng = np.random.default_rng(seed)
        settings = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype}
        self.layer = SwitchableBatchNormalization(WIDTHS, **settings)
        self.layer.build([(None, None, None, width) for width in WIDTHS])
        self.stock = [keras.layers.BatchNormalization(**settings) for _ in WIDTHS]
        start = 0
        vectors = [
            rng.uniform(0.5, 1.5, sum(WIDTHS)),
            rng.normal(size=sum(WIDTHS)),
            rng.normal(size=sum(WIDTHS)),
            rng.uniform(0.5, 1.5, sum(WIDTHS)),
        ]
        self.layer.set_weights(vectors)
        for stock, width in zip(self.stock, WIDTHS, strict=True):
            stock.build((None, None, None, width))
            stock.set_weights([vector[start : start + width] for vector in vectors])
            start += width
        self.rng = rng

    def inputs(self, batches=BATCHES):
        return [
            tf.constant(images(self.rng, (batch, 3, 4, width)) * 3 + 1)
            for batch, width in zip(batches, WIDTHS, strict=True)
        ]

    def assert_same_weights(self, rtol=1e-5):
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        start = 0
        for index, (stock, width) in enumerate(zip(self.stock, WIDTHS, strict=True)):
            vectors = self.layer.weights_of(index)
            for name, vector in zip(names, vectors, strict=True):
                expected = np.asarray(getattr(stock, name))
                whole = np.asarray(getattr(self.layer, name))
                np.testing.assert_array_equal(vector, whole[start : start + width])
                np.testing.assert_allclose(vector, expected, rtol=rtol, atol=1e-6, err_msg=name)
            start += width


def images(rng, shape):
    return rng.normal(size=shape).astype("float32")


@pytest.fixture
def pair():
    return Pair()


@pytest.mark.parametrize("training", [True, False])
def test_normalization_equals_the_stock_layers(pair, training):
    xs = pair.inputs()
    ys = pair.layer(xs, training=training)
    for x, y, stock in zip(xs, ys, pair.stock, strict=True):
        np.testing.assert_allclose(y, stock(x, training=training), atol=1e-5)


def test_inference_leaves_the_moving_statistics_alone(pair):
    before = pair.layer.get_weights()
    pair.layer(pair.inputs(), training=False)
    pair.layer(pair.inputs())
    for old, new in zip(before, pair.layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_moving_statistics_after_several_steps(pair):
    before = np.asarray(pair.layer.moving_mean)
    for batches in (BATCHES, (1, 3, 2), (5, 5, 5)):
        xs = pair.inputs(batches)
        pair.layer(xs, training=True)
        for x, stock in zip(xs, pair.stock, strict=True):
            stock(x, training=True)
    assert (np.abs(np.asarray(pair.layer.moving_mean) - before) > 0.01).all()
    pair.assert_same_weights()


def test_a_frozen_layer_infers(pair):
    xs = pair.inputs()
    expected = pair.layer(xs, training=False)
    pair.layer.trainable = False
    for y, z in zip(pair.layer(xs, training=True), expected, strict=True):
        np.testing.assert_array_equal(y, z)


def gradients(normalize, xs, upstream, variables):
    """d sum(y * dy) / d(every x, every variable)."""
    with tf.GradientTape() as tape:
        tape.watch(xs)
        ys = normalize(xs)
        loss = sum(tf.reduce_sum(y * dy) for y, dy in zip(ys, upstream, strict=True))
    return tape.gradient(loss, [*xs, *(variable.value for variable in variables)])


def assert_same_gradients(pair, training, compiled=False):
    xs = pair.inputs()
    upstream = [images(pair.rng, x.shape) for x in xs]

    def of_layer(*xs):
        def normalize(xs):
            return pair.layer(xs, training=training)

        return gradients(normalize, list(xs), upstream, [pair.layer.gamma, pair.layer.beta])

    if compiled:  # as in `fit`, where the batch size is not known while the graph is built
        of_layer = tf.function(
            of_layer, input_signature=[tf.TensorSpec([None, 3, 4, width]) for width in WIDTHS]
        )
    *dxs, dgamma, dbeta = of_layer(*xs)
    start = 0
    for x, dy, dx, stock in zip(xs, upstream, dxs, pair.stock, strict=True):

        def normalize(xs, stock=stock):
            return [stock(xs[0], training=training)]

        expected = gradients(normalize, [x], [dy], [stock.gamma, stock.beta])
        stop = start + x.shape[-1]
        for ours, theirs in zip((dx, dgamma[start:stop], dbeta[start:stop]), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
        start = stop


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "unknown batch size"])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_the_stock_layers(pair, training, compiled):
    assert_same_gradients(pair, training, compiled)


def test_gradients_equal_numerical_ones():
    """The closed form against differences of the definition, in float64."""
    rng = np.random.default_rng(5)
    x, dy = rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 3, 2, 2))
    layer = SwitchableBatchNormalization((2,))
    layer.build([(None, None, None, 2)])
    gamma, beta = np.array([0.7, 1.3]), np.array([0.2, -0.4])
    layer.set_weights([gamma, beta, np.zeros(2), np.ones(2)])

    def loss(x):
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        return np.sum((gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta) * dy)

    numerical, step = np.zeros_like(x), 1e-5
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        numerical[index] = (loss(x + shift) - loss(x - shift)) / (2 * step)
    [dx] = gradients(
        lambda xs: layer(xs, training=True), [tf.constant(x, "float32")], [dy.astype("float32")], []
    )
    np.testing.assert_allclose(dx, numerical, atol=1e-4)


def test_double_precision_equals_the_stock_layers_to_its_own_precision():
    pair = Pair(dtype="float64")
    xs = [tf.cast(x, "float64") for x in pair.inputs()]
    upstream = [pair.rng.normal(size=x.shape) for x in xs]
    ys = pair.layer(xs, training=True)
    dxs = gradients(lambda xs: pair.layer(xs, training=True), xs, upstream, [])
    for x, dy, y, dx, stock in zip(xs, upstream, ys, dxs, pair.stock, strict=True):

        def normalize(xs, stock=stock):
            return [stock(xs[0], training=True)]

        [expected] = gradients(normalize, [x], [dy], [])
        np.testing.assert_allclose(y, stock(x, training=True), atol=1e-12)
        np.testing.assert_allclose(dx, expected, atol=1e-12)


def test_a_large_mean_costs_no_precision():
    """E[x^2] - E[x]^2 would leave no digit of a variance that is a millionth of E[x]^2."""
    rng = np.random.default_rng(6)
    x = (rng.normal(size=(4, 3, 3, 2)) + 1000).astype("float32")
    dy = images(rng, x.shape)
    exact = x - x.mean((0, 1, 2), dtype="float64")
    layers = [SwitchableBatchNormalization((2,)), SwitchableBatchNormalization((2,))]
    # The same but for the mean, which normalization takes away.
    for values, layer in zip((x, exact.astype("float32")), layers, strict=True):
        [y] = layer([values], training=True)
        np.testing.assert_allclose(y, exact / exact.std((0, 1, 2)), atol=5e-4)
    [dx], [expected] = (
        gradients(lambda xs, layer=layer: layer(xs, training=True), [tf.constant(values)], [dy], [])
        for values, layer in zip((x, exact.astype("float32")), layers, strict=True)
    )
    np.testing.assert_allclose(dx, expected, atol=5e-4)


def test_normalization_comes_back_from_its_config():
    arguments = {"widths": (2, 3), "momentum": 0.8, "epsilon": 1e-3}
    layer = SwitchableBatchNormalization(**arguments, name="named", dtype="mixed_float16")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is SwitchableBatchNormalization
    assert (again.name, again.compute_dtype) == ("named", "float16")
    assert {name: getattr(again, name) for name in arguments} == arguments


def test_symbolic_inputs_keep_their_shapes():
    layer = SwitchableBatchNormalization((3, 5), dtype="mixed_float16")
    symbols = layer([keras.Input((4, 4, 3)), keras.Input((None, None, 5))])
    assert [y.shape for y in symbols] == [(None, 4, 4, 3), (None, None, None, 5)]
    assert {y.dtype for y in symbols} == {"float16"}


def test_unknown_batch_size_moves_the_statistics_as_eager_does():
    eager, compiled = Pair(seed=1), Pair(seed=1)
    step = tf.function(
        lambda *xs: compiled.layer(list(xs), training=True),
        input_signature=[tf.TensorSpec([None, 3, 4, width]) for width in WIDTHS],
    )
    for batches in (BATCHES, (3, 1, 2)):
        xs = eager.inputs(batches)
        for y, z in zip(step(*xs), eager.layer(xs, training=True), strict=True):
            np.testing.assert_allclose(y, z, atol=1e-6)
    for a, b in zip(eager.layer.get_weights(), compiled.layer.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_mixed_precision_computes_in_float32_and_returns_float16(training):
    pair = Pair(dtype="mixed_float16")
    xs = [tf.cast(x, "float16") for x in pair.inputs()]
    ys = pair.layer(xs, training=training)
    assert {weight.dtype for weight in pair.layer.weights} == {"float32"}
    for x, y, stock in zip(xs, ys, pair.stock, strict=True):
        expected = stock(x, training=training)
        assert y.dtype == expected.dtype == tf.float16
        np.testing.assert_allclose(y, expected, atol=4e-3)
    pair.assert_same_weights(rtol=1e-3)


def test_mixed_precision_survives_activations_near_the_limit_of_float16():
    layer = SwitchableBatchNormalization((1,), dtype="mixed_float16")
    x = tf.constant([-3e4, 3e4, 6e4, -6e4], "float16", shape=(4, 1, 1, 1))  # squares overflow
    [y] = layer([x], training=True)
    expected = np.array([-3, 3, 6, -6]) / np.sqrt((9 + 9 + 36 + 36) / 4)
    np.testing.assert_allclose(np.ravel(y), expected, atol=2e-3)
