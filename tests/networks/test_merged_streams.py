"""Streams of the same units in one convolution: fewer convolutions, the same network."""

import keras
import numpy as np
import pytest

from dvn_tf.networks import convolution
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitTable

TASKS = [TaskInfo("a", 3, (8, 8, 3)), TaskInfo("b", 4, (8, 8, 3)), TaskInfo("c", 2, (8, 8, 3))]
TABLE = UnitTable((((1,), (1, 2)), ((1,), (1, 2)), ((2,), (1, 2))), 2)


def build(merge_streams, **settings):
    keras.utils.set_random_seed(4)
    backbone, settings = WideResNet(8, 1), {"weight_decay": 1e-3} | settings
    settings |= {"merge_streams": merge_streams, "name": "network"}
    network = DeepVirtualNetwork(TASKS, TABLE, backbone, **settings)
    objective = joint_objective(network.virtual_networks)
    network.compile("sgd", jit_compile=False, run_eagerly=True, **objective)
    return network


def batch(network, sizes=(4, 4, 4)):
    generator = np.random.default_rng(0)
    images = {
        task.name: generator.uniform(0, 255, (size, *task.image_shape)).astype("float32")
        for task, size in zip(network.tasks, sizes, strict=True)
    }
    labels = {
        name: generator.integers(0, task.num_classes, len(images[task.name]))
        for name, (task, _, _) in network.virtual_networks.items()
    }
    return images, labels


@pytest.mark.parametrize("settings", [{}, {"frozen_units": (1,)}])
def test_outputs_and_weights_after_a_step_are_the_same(settings):
    networks = [build(merged, **settings) for merged in (False, True)]
    images, labels = batch(networks[0])
    before = networks[0].get_weights()
    losses = [network.train_on_batch(images, labels)[0] for network in networks]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    moved = 0
    for one, other, old in zip(*(net.weights for net in networks), before, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=one.path)
        moved = max(moved, np.abs(np.asarray(one) - old).max())
    assert moved > 1e-2
    logits = [network(images, training=False) for network in networks]
    for name, expected in logits[0].items():
        np.testing.assert_allclose(logits[1][name], expected, rtol=1e-4, atol=1e-5)


def test_batches_of_different_sizes_are_told_apart():
    networks = [build(merged) for merged in (False, True)]
    networks[1].set_weights(networks[0].get_weights())
    images, _ = batch(networks[0], sizes=(2, 5, 3))
    expected, found = (network(images, training=False) for network in networks)
    for name in expected:
        assert found[name].shape[0] == len(images[name.split("/")[0]])
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    # And where the sizes are not known before the step.
    found = networks[1].predict({n: x[:2] for n, x in images.items()}, batch_size=2, verbose=0)
    np.testing.assert_allclose(found["c/level2"], expected["c/level2"][:2], rtol=1e-4, atol=1e-5)


def test_each_block_of_a_kernel_is_convolved_once(monkeypatch):
    batches = []

    def counted(x, kernel, stride, padding):
        batches.append(len(x))
        return convolve(x, kernel, stride, padding)

    convolve = convolution.pad_and_convolve
    monkeypatch.setattr(convolution, "pad_and_convolve", counted)
    for merged, expected in ((False, [4] * 6), (True, [4, 8, 12])):
        network = build(merged)
        batches.clear()
        network(batch(network)[0], training=False)
        layers = [x for x in network.layers if isinstance(x, convolution.UnitConv2D)]
        assert sorted(batches) == sorted(expected * len(layers))


def test_a_saved_network_does_not_say_how_it_was_trained():
    networks = [build(merged) for merged in (False, True)]
    assert networks[0].get_config() == networks[1].get_config()
