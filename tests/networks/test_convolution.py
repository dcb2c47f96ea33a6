"""The sliced convolution against NumPy and gathered kernels."""

import doctest
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from dvn_tf.networks import convolution as layers_module
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.units import UnitPartition

EVEN = (0.25, 0.25, 0.25, 0.25)
UNEVEN = (0.4, 0.1, 0.3, 0.2)
# The channel edges of four units, by hand: {(fractions, channels): edges}.
EDGES = {
    (EVEN, 8): (0, 2, 4, 6, 8),
    (EVEN, 12): (0, 3, 6, 9, 12),
    (UNEVEN, 10): (0, 4, 5, 8, 10),
    (UNEVEN, 20): (0, 8, 10, 16, 20),
}


def test_partition_of_these_tests_is_the_units_own():
    """`EDGES` above is by hand; here it is seen to be what the units module cuts."""
    for (fractions, width), edges in EDGES.items():
        assert UnitPartition(fractions).bounds(width) == tuple(itertools.pairwise(edges))


def channels(fractions, width, units):
    """Index array of the channels that units own; None for all."""
    if units is None:
        return np.arange(width)
    edges = EDGES[fractions, width]
    return np.concatenate([np.arange(edges[unit - 1], edges[unit]) for unit in units])


def numpy_convolution(x, kernel, stride):
    """A convolution that pads half the kernel on each side, as plain loops over positions."""
    size = kernel.shape[0]
    out = [-(-side // stride) for side in x.shape[1:3]]
    x = np.pad(x, ((0, 0), *[(size // 2, size // 2)] * 2, (0, 0)))
    y = np.zeros((len(x), *out, kernel.shape[3]))
    for row, column in itertools.product(range(out[0]), range(out[1])):
        top, left = row * stride, column * stride
        patch = x[:, top : top + size, left : left + size, :]
        y[:, row, column] = np.einsum("bijc,ijco->bo", patch, kernel)
    return y


def conv_layer(fractions, width_in, width_out, size=3, strides=1, **kwargs):
    layer = UnitConv2D(width_out, size, strides, fractions, in_channels=width_in, **kwargs)
    layer.build([(None, None, None, width_in)])
    return layer


def images(rng, shape):
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("side", [5, 6])
@pytest.mark.parametrize(("size", "strides"), [(3, 1), (3, 2), (1, 1), (1, 2)])
@pytest.mark.parametrize(
    ("in_units", "out_units"),
    [
        ((2,), (2,)),
        ((2, 3), (2, 3)),  # an interval
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((1, 3), (1, 3)),  # a gather
        ((1, 2, 4), (1, 2, 4)),
        (None, (3,)),  # an input layer's output, which is not partitioned
        (None, (1, 4)),
    ],
)
@pytest.mark.parametrize("fractions", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_convolution_equals_numpys_with_the_sub_kernel(
    fractions, in_units, out_units, size, strides, side
):
    width_in, width_out = (8, 12) if fractions == EVEN else (10, 20)
    layer = conv_layer(fractions, width_in, width_out, size, strides)
    rows = channels(fractions, width_in, in_units)
    columns = channels(fractions, width_out, out_units)
    x = images(np.random.default_rng(0), (2, side, side + 1, len(rows)))
    [y] = layer([x], in_units=[in_units], out_units=[out_units])
    sub_kernel = np.asarray(layer.kernel)[:, :, rows][:, :, :, columns]
    np.testing.assert_array_equal(layer.sub_kernel(in_units, out_units), sub_kernel)
    np.testing.assert_allclose(y, numpy_convolution(x, sub_kernel, strides), atol=1e-5)


UNIT_SETS = [(1,), (1, 2), (2,), (1, 3), (1, 3, 4), (2, 3), (1, 2, 3, 4), (1, 2)]


@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "whole"])
def test_one_call_for_several_networks_equals_calls_one_by_one(partitioned):
    layer = conv_layer(UNEVEN, 10, 20)
    rng = np.random.default_rng(1)
    in_units = UNIT_SETS if partitioned else [None] * len(UNIT_SETS)
    # Batches of different sizes, as they may be.
    xs = [
        images(rng, (batch, 4, 4, len(channels(UNEVEN, 10, units))))
        for batch, units in enumerate(in_units, start=1)
    ]
    together = layer(xs, in_units=in_units, out_units=UNIT_SETS)
    for x, before, after, y in zip(xs, in_units, UNIT_SETS, together, strict=True):
        [alone] = layer([x], in_units=[before], out_units=[after])
        assert y.shape == (len(x), 4, 4, len(channels(UNEVEN, 20, after)))
        np.testing.assert_array_equal(y, alone)


@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "whole"])
@pytest.mark.parametrize("unit_sets", [UNIT_SETS, UNIT_SETS[:1], [(2,), (1, 3)]])
def test_kernel_gradient_equals_that_of_gathered_kernels(unit_sets, partitioned):
    layer = conv_layer(UNEVEN, 10, 20, strides=2)
    rng = np.random.default_rng(2)
    in_units = unit_sets if partitioned else [None] * len(unit_sets)
    rows = [channels(UNEVEN, 10, units) for units in in_units]
    columns = [channels(UNEVEN, 20, units) for units in unit_sets]
    xs = [tf.constant(images(rng, (2, 6, 6, len(row)))) for row in rows]
    upstream = [images(rng, (2, 3, 3, len(column))) for column in columns]
    kernel = tf.Variable(np.asarray(layer.kernel))

    with tf.GradientTape() as tape:
        ys = layer(xs, in_units=in_units, out_units=unit_sets)
        loss = sum(tf.reduce_sum(y * dy) for y, dy in zip(ys, upstream, strict=True))
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.kernel.value)).numpy()

    with tf.GradientTape() as tape:
        loss = 0.0
        for x, row, column, dy in zip(xs, rows, columns, upstream, strict=True):
            sub_kernel = tf.gather(tf.gather(kernel, row, axis=2), column, axis=3)
            padding = ((0, 0), (1, 1), (1, 1), (0, 0))
            loss += tf.reduce_sum(tf.nn.conv2d(x, sub_kernel, 2, padding) * dy)
    expected = tf.convert_to_tensor(tape.gradient(loss, kernel)).numpy()

    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    used = np.zeros((10, 20), bool)
    for row, column in zip(rows, columns, strict=True):
        used[np.ix_(row, column)] = True
    assert (gradient[:, :, ~used] == 0).all()
    assert (gradient[:, :, used] != 0).all()


def test_l2_counts_every_weight_once_however_many_networks_use_it():
    layer = conv_layer(EVEN, 8, 12, weight_decay=0.02)
    xs = [np.ones((1, 4, 4, 2), "float32")] * 3
    layer(xs, in_units=[(1,)] * 3, out_units=[(1,), (2,), (1, 2)])
    [penalty] = layer.losses
    kernel = np.asarray(layer.kernel, "float64")
    np.testing.assert_allclose(penalty, 0.02 / 2 * np.sum(kernel**2), rtol=1e-5)


def test_no_l2_without_weight_decay():
    assert conv_layer(EVEN, 8, 12).losses == []


def test_kernel_is_the_only_weight_and_is_drawn_by_xaviers_method():
    layer = conv_layer(EVEN, 128, 64)
    [kernel] = layer.weights
    assert kernel.shape == (3, 3, 128, 64)
    # Of the whole layer's fans; rounded as the values are, one of which may be the limit itself.
    limit = np.float32(np.sqrt(6 / (9 * 128 + 9 * 64)))
    values = np.asarray(kernel)
    assert np.abs(values).max() <= limit
    np.testing.assert_allclose(values.std(), limit / np.sqrt(3), rtol=0.02)


def test_input_width_is_taken_from_the_first_input_if_not_given():
    layer = UnitConv2D(12, 3, fractions=EVEN)
    layer([np.ones((1, 4, 4, 5), "float32")], in_units=[None], out_units=[(1,)])
    assert layer.kernel.shape == (3, 3, 5, 12)


def test_convolution_comes_back_from_its_config():
    arguments = {
        "filters": 10,
        "kernel_size": 5,
        "strides": 2,
        "fractions": UNEVEN,
        "in_channels": 20,
        "weight_decay": 0.1,
    }
    layer = UnitConv2D(**arguments, name="named", dtype="mixed_float16")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is UnitConv2D
    assert (again.name, again.compute_dtype) == ("named", "float16")
    assert {name: getattr(again, name) for name in arguments} == arguments


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_symbolic_outputs_are_as_the_real_ones(strides, dtype):
    layer = conv_layer(UNEVEN, 10, 20, strides=strides, dtype=dtype)
    units = [(1, 3), (2,)]
    real = layer([np.ones((2, 7, 8, 7)), np.ones((3, 7, 8, 1))], in_units=units, out_units=units)
    sides = real[0].shape[1:3]
    assert [y.shape[-1] for y in real] == [14, 2]
    for size, expected in [((7, 8), sides), ((None, 8), (None, sides[1])), ((None,) * 2,) * 2]:
        symbols = layer(
            [keras.Input((*size, 7)), keras.Input((*size, 1))], in_units=units, out_units=units
        )
        assert [y.shape for y in symbols] == [(None, *expected, 14), (None, *expected, 2)]
        assert {y.dtype for y in symbols} == {keras.backend.standardize_dtype(real[0].dtype)}


def test_convolution_under_mixed_precision_keeps_a_float32_kernel():
    layer = conv_layer(EVEN, 8, 12, dtype="mixed_float16")
    x = images(np.random.default_rng(3), (2, 5, 5, 4))
    [y] = layer([x.astype("float16")], in_units=[(2, 3)], out_units=[(2, 3)])
    assert (layer.kernel.dtype, y.dtype) == ("float32", "float16")
    kernel = np.asarray(layer.kernel)[:, :, 2:6, 3:9]
    np.testing.assert_allclose(y, numpy_convolution(x, kernel, 1), atol=2e-2)


def test_docstring_examples():
    results = doctest.testmod(layers_module)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize("units", [(1,), (2,), (1, 2)])
def test_a_concatenated_input_is_read_by_units_of_each_layer(units):
    """Of layers of 4 and 6 channels, unit 1 owns channels 0-1 and 4-6, unit 2 owns 2-3 and 7-9."""
    owned = {1: [0, 1, 4, 5, 6], 2: [2, 3, 7, 8, 9]}
    rows = sorted(channel for unit in units for channel in owned[unit])
    columns = [channel for unit in units for channel in ((0, 1), (2, 3))[unit - 1]]
    rng = np.random.default_rng(0)
    layer = UnitConv2D(4, 3, fractions=(0.5, 0.5), in_channels=(4, 6))
    layer.build([(None, None, None, 10)])
    assert layer.kernel.shape == (3, 3, 10, 4)
    x = images(rng, (2, 5, 5, len(rows)))
    [y] = layer([x], in_units=[units], out_units=[units])
    kernel = np.asarray(layer.kernel)[:, :, rows][..., columns]
    np.testing.assert_allclose(y, numpy_convolution(x, kernel, 1), rtol=1e-4, atol=1e-5)
