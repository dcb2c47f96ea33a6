"""Strided convolutions pad as the original networks do: against scipy, and beside a shortcut."""

import keras
import numpy as np
import pytest
from scipy import signal

from dvn_tf.networks.layer_sets import Features
from dvn_tf.networks.padding import SAME, SYMMETRIC, pad_and_convolve, stock_convolution
from dvn_tf.networks.plain_layers import PlainLayers
from dvn_tf.networks.virtual_layers import VirtualLayers
from dvn_tf.units import UnitPartition

SIDES = [8, 9, 12]


def images(side, channels=2):
    return np.random.default_rng(side).normal(size=(1, side, side + 1, channels)).astype("float32")


def scipys(x, kernel, stride):
    """Every `stride`-th pixel of scipy's own convolution without stride, from the first."""
    maps = [
        sum(
            signal.correlate2d(x[0, :, :, row], kernel[:, :, row, column], mode="same")
            for row in range(kernel.shape[2])
        )
        for column in range(kernel.shape[3])
    ]
    return np.stack(maps, axis=-1)[None, ::stride, ::stride]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (3, 3), (5, 2), (1, 2)])
def test_a_strided_convolution_is_centred_on_the_pixels_that_it_keeps(side, size, stride):
    x = images(side)
    kernel = np.random.default_rng(1).normal(size=(size, size, 2, 3)).astype("float32")
    expected = scipys(x, kernel, stride)
    ours = pad_and_convolve(x, keras.ops.convert_to_tensor(kernel), stride, SYMMETRIC)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    image = keras.Input(x.shape[1:])
    y = stock_convolution(image, 3, size, stride, SYMMETRIC, policy="float32", use_bias=False)
    model = keras.Model(image, y)
    model.set_weights([kernel])
    np.testing.assert_allclose(model(x), expected, atol=1e-5)


def test_networks_of_before_0_3_keep_tensorflows_padding():
    x, kernel = images(8), np.ones((3, 3, 2, 1), "float32")
    same = keras.ops.conv(x, kernel, strides=2, padding="same")
    kernel = keras.ops.convert_to_tensor(kernel)
    np.testing.assert_array_equal(pad_and_convolve(x, kernel, 2, SAME), same)
    assert np.abs(pad_and_convolve(x, kernel, 2, SYMMETRIC) - same).max() > 0.1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["virtual", "plain"])
def test_a_residual_branch_sees_the_pixels_of_its_shortcut(kind, side):
    """A kernel that copies its centre gives what the parameter-free shortcut gives."""
    partition = UnitPartition.even(2)
    if kind == "virtual":
        layers = VirtualLayers(partition, [(1, 2)], 0.0, "float32")
    else:
        layers = PlainLayers(partition, (1, 2), 0.0, "float32")
    image = keras.Input((side, side + 1, 4))
    x = Features([image], (4,), partitioned=True)
    [shortcut] = layers.shortcut(x, 4, stride=2).tensors
    [branch] = layers.conv(x, 4, 3, stride=2, name="conv").tensors
    model = keras.Model(image, [shortcut, branch])
    kernel = np.zeros((3, 3, 4, 4), "float32")
    kernel[1, 1] = np.eye(4)
    model.set_weights([kernel])
    beside, ours = model(images(side, 4))
    np.testing.assert_allclose(ours, beside, atol=1e-6)
