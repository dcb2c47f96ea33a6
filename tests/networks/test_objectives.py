"""Eq. 4 and Eq. 1 as Keras compiles them, against NumPy."""

import functools

import keras
import numpy as np
import pytest

from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitTable

DECAY = 0.02
EXAMPLES = 10


def build(num_tasks, weight_decay=0.0):
    keras.utils.set_random_seed(3)
    tasks = [TaskInfo("abc"[i], 3 + i, (8, 8, 3)) for i in range(num_tasks)]
    table = UnitTable.by_rule(num_tasks, num_units=2)
    network = DeepVirtualNetwork(tasks, table, WideResNet(8, 1), weight_decay=weight_decay)
    network.compile("sgd", **joint_objective(network.virtual_networks))
    return network


# The tests that only evaluate share networks: tracing one takes the most time here.
shared = functools.cache(build)


def data(network, seed=0):
    """Images by task, labels by output: each task has images and labels of its own."""
    rng = np.random.default_rng(seed)
    images = {
        info.name: rng.uniform(0, 255, (EXAMPLES, *info.image_shape)).astype("float32")
        for info in network.tasks
    }
    labels = {info.name: rng.integers(0, info.num_classes, EXAMPLES) for info in network.tasks}
    by_output = {
        output: labels[info.name] for output, (info, *_) in network.virtual_networks.items()
    }
    return images, by_output


def cross_entropies(logits, labels):
    """-log softmax(logits)[label] of every example."""
    logits = np.asarray(logits, "float64")
    log_sum = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    return log_sum - logits[np.arange(len(labels)), labels]


def mean_cross_entropies(network, images, labels):
    logits = network(images, training=False)
    return {name: cross_entropies(logits[name], labels[name]).mean() for name in labels}


def penalty(network, weight_decay):
    """weight_decay / 2 times the squares of all kernels: input layers, convolutions, heads."""
    kernels = [weight for weight in network.weights if weight.path.endswith("kernel")]
    # Per task an input layer and 2 heads; 3 groups of 2 convolutions and 2 projections.
    assert len(kernels) == 3 * len(network.tasks) + 8
    return weight_decay / 2 * sum(np.sum(np.asarray(kernel, "float64") ** 2) for kernel in kernels)


@pytest.mark.parametrize("weight_decay", [0.0, DECAY])
@pytest.mark.parametrize("num_tasks", [1, 3], ids=["Eq. 1 at k=1", "Eq. 4 at k=3"])
def test_loss_is_the_sum_of_all_mean_cross_entropies_and_l2_once_a_weight(num_tasks, weight_decay):
    network = shared(num_tasks, weight_decay)
    images, labels = data(network)
    entropies = mean_cross_entropies(network, images, labels)
    assert len(entropies) == num_tasks * 2
    expected = sum(entropies.values()) + penalty(network, weight_decay)
    found = network.test_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    in_batches = network.evaluate(images, labels, batch_size=4, verbose=0, return_dict=True)
    np.testing.assert_allclose(in_batches["loss"], expected, rtol=1e-5)  # of 4, 4 and 2 examples
    assert (penalty(network, weight_decay) > 0.1) == (weight_decay > 0)


def test_every_output_reports_its_cross_entropy_and_accuracy():
    network = shared(2)
    images, labels = data(network)
    found = network.evaluate(images, labels, batch_size=4, verbose=0, return_dict=True)
    logits = network(images, training=False)
    for name, entropy in mean_cross_entropies(network, images, labels).items():
        accuracy = np.mean(np.argmax(logits[name], axis=1) == labels[name])
        np.testing.assert_allclose(found[f"{name}_cross_entropy"], entropy, rtol=1e-5)
        np.testing.assert_allclose(found[f"{name}_accuracy"], accuracy, rtol=1e-6)


@pytest.mark.parametrize("kept", [[0, 3, 4, 8], [9]])
def test_a_sample_weight_of_zero_drops_an_example_exactly(kept):
    network = shared(2)
    images, labels = data(network)
    # Of task b; task a keeps all of its examples.
    weights = {
        name: np.isin(np.arange(EXAMPLES), kept).astype("float32")
        if name.startswith("b")
        else np.ones(EXAMPLES, "float32")
        for name in labels
    }
    logits = network(images, training=False)
    rows = {name: kept if name.startswith("b") else np.arange(EXAMPLES) for name in labels}
    expected = {
        name: cross_entropies(np.asarray(logits[name])[rows[name]], labels[name][rows[name]]).mean()
        for name in labels
    }
    found = network.test_on_batch(images, labels, sample_weight=weights, return_dict=True)
    np.testing.assert_allclose(found["loss"], sum(expected.values()), rtol=1e-5)
    for name, entropy in expected.items():
        hits = np.argmax(np.asarray(logits[name])[rows[name]], axis=1) == labels[name][rows[name]]
        np.testing.assert_allclose(found[f"{name}_cross_entropy"], entropy, rtol=1e-5)
        np.testing.assert_allclose(found[f"{name}_accuracy"], hits.mean(), rtol=1e-6)


def test_a_batch_of_dropped_examples_costs_nothing():
    network = shared(1)
    images, labels = data(network)
    weights = {name: np.zeros(EXAMPLES, "float32") for name in labels}
    found = network.test_on_batch(images, labels, sample_weight=weights, return_dict=True)
    assert found["loss"] == 0


def test_losses_are_of_the_outputs_asked_for():
    network = shared(2)
    images, labels = data(network)
    entropies = mean_cross_entropies(network, images, labels)
    some = ["a/level2", "b/level1"]
    objective = joint_objective(some)
    assert list(objective["loss"]) == list(objective["weighted_metrics"]) == some
    losses = [
        objective["loss"][name](labels[name], network(images, training=False)[name])
        for name in some
    ]
    np.testing.assert_allclose(losses, [entropies[name] for name in some], rtol=1e-5)


def test_a_step_moves_weights_against_the_gradient_of_the_sum():
    """SGD at rate r without momentum: what a step subtracts is r times the gradient of Eq. 4."""
    network = build(2, DECAY)
    images, labels = data(network)
    head = network.get_layer("b_level1_head")
    kernel = np.asarray(head.kernel)
    features = keras.Model(network.inputs, head.input)
    before = network.get_weights()
    feature = np.asarray(features(images, training=True), "float64")
    network.set_weights(before)  # the batch has moved the moving statistics
    logits = feature @ kernel + np.asarray(head.bias)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = probabilities - np.eye(4)[labels["b/level1"]]
    gradient = feature.T @ error / EXAMPLES + DECAY * kernel  # Torch's decay: d times w
    network.optimizer.learning_rate = 0.5
    network.train_on_batch(images, labels)
    moved = kernel - np.asarray(head.kernel)
    np.testing.assert_allclose(moved, 0.5 * gradient, atol=1e-6)
