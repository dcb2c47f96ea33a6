"""Eq. 6's gradient, which is Eq. 7's and in one case Eq. 8's, against networks of stock layers."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reference_networks import (
    Case,
    assert_close,
    batch,
    dense,
    normalized,
    randomize,
    references,
    task,
)

from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import sequential_objective
from dvn_tf.units import UnitTable

A, B = task("a"), task("b", classes=5)
EXAMPLES = 12


@dataclasses.dataclass
class Gradients:
    """Of Eq. 6, of its single terms, and of each virtual network in stock layers by itself."""

    case: Case
    network: DeepVirtualNetwork
    loss: float
    joint: dict  # {path of a weight: gradient}
    separate: dict  # {output: {path: gradient}}, of its term alone
    references: list
    expected_loss: float
    expected: list  # for each virtual network {name of a layer: gradients}


CASES = {
    "Eq. 8, one level of the whole network": Case(
        (A, B), UnitTable((((1,),), ((1,),))), (((1,),), ((1,),)), WideResNet(8, 1), (1.0,), (1, 1)
    ),
    "Eq. 7, two units": Case(
        (A, B),
        UnitTable.by_rule(2),
        (((1,), (1, 2)), ((2,), (1, 2))),
        WideResNet(8, 1),
        (0.6, 0.4),
        (1, 1),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def gradients(request):
    case = CASES[request.param]
    network = case.build(dtype="float64")  # so that rounding hides no error
    levels = len(case.rows[0])
    old_table = UnitTable((case.rows[0][:1],), case.table.num_units)
    teacher = DeepVirtualNetwork((A,), old_table, case.backbone, network.partition, dtype="float64")
    randomize(teacher, 3)
    images = batch(case, EXAMPLES)["b"]
    labels = np.arange(EXAMPLES) % 5
    new = [f"b/level{level}" for level in range(1, levels + 1)]
    old = [f"a/level{level}" for level in range(1, levels + 1)]
    model = distilling_network(network, teacher, "b")
    objective = sequential_objective(new, old)
    model.compile(**objective)
    tensors = {w.path: w.value for w in network.trainable_weights}
    weights = network.get_weights()
    with tf.GradientTape(persistent=True) as tape:
        outputs = model({"b": images}, training=True)
        by_output = dict.fromkeys(outputs, labels)
        joint = model.compute_loss(None, by_output, outputs, training=True)
        terms = {name: objective["loss"][name](labels, outputs[name]) for name in outputs}

    def of(loss):
        found = tape.gradient(loss, tensors, unconnected_gradients="zero")
        return {path: dense(gradient) for path, gradient in found.items()}

    network.set_weights(weights)
    alone = Case((A,), old_table, (case.rows[0][:1],), case.backbone, case.fractions, (1,))
    [known] = references(alone, teacher)
    goal = tf.nn.softmax(known.model(normalized(images), training=False) / 2)
    stock = references(case, network)
    found = [
        scattered(reference, images, goal if name in old else labels)
        for reference, (name, *_) in zip(stock, case.virtual_networks, strict=True)
    ]
    return Gradients(
        case,
        network,
        float(joint),
        of(joint),
        {name: of(term) for name, term in terms.items()},
        stock,
        sum(loss for loss, _ in found),
        [gradient for _, gradient in found],
    )


def scattered(reference, images, goal):
    """A stock network's loss, and its gradients in arrays of the shapes of the whole network.

    The goal is a teacher's tempered softmax for LwF's distillation, or labels.
    """
    with tf.GradientTape() as tape:
        logits = reference.model(normalized(images), training=True)
        if len(goal.shape) == 2:
            loss = -tf.reduce_mean(tf.reduce_sum(goal * tf.nn.log_softmax(logits / 2), axis=1))
        else:
            picked = tf.gather(tf.nn.log_softmax(logits), goal, axis=1, batch_dims=1)
            loss = -tf.reduce_mean(picked)
    tensors = {w.path: w.value for w in reference.model.trainable_weights}
    by_path = tape.gradient(loss, tensors, unconnected_gradients="zero")
    found = {}
    for name, (layer, rows, columns) in reference.convs.items():
        whole = np.zeros(reference.network.get_layer(name).kernel.shape)
        side = range(len(whole))
        whole[np.ix_(side, side, rows, columns)] = dense(by_path[layer.kernel.path])
        found[name] = [whole]
    for name, (layer, start, stop) in reference.norms.items():
        found[name] = []
        for vector in (layer.gamma, layer.beta):
            whole = np.zeros(reference.network.get_layer(name).gamma.shape)
            whole[start:stop] = dense(by_path[vector.path])
            found[name].append(whole)
    for name, layer in reference.stocks.items():
        found[name] = [dense(by_path[w.path]) for w in layer.trainable_weights]
    return float(loss), found


def test_eq_6_is_the_sum_of_separate_networks_losses(gradients):
    """With one level that is the whole network: learning without forgetting, Eq. 8."""
    assert gradients.loss == pytest.approx(gradients.expected_loss, rel=1e-6)


def test_its_gradient_is_the_sum_of_separate_networks_gradients(gradients):
    seen = 0
    for layer in gradients.network.layers:
        for index, weight in enumerate(layer.trainable_weights):
            expected = sum(
                found[layer.name][index] for found in gradients.expected if layer.name in found
            )
            assert_close(gradients.joint[weight.path], expected, err_msg=weight.path)
            assert np.abs(expected).max() > 0, weight.path
            seen += 1
    assert seen == len(gradients.network.trainable_weights) == len(gradients.joint)


def test_a_terms_gradient_is_zero_exactly_for_units_that_its_level_does_not_use(gradients):
    """Eq. 7 sums a unit's terms from level S(i, j) on, since there is nothing of it below."""
    case, seen = gradients.case, 0
    for reference, (output, *_) in zip(gradients.references, case.virtual_networks, strict=True):
        for layer in gradients.network.layers:
            if not isinstance(layer, UnitConv2D):
                continue
            gradient = gradients.separate[output][f"{layer.name}/kernel"]
            _, rows, columns = reference.convs[layer.name]
            inside = np.zeros(gradient.shape[2:], bool)
            inside[np.ix_(rows, columns)] = True
            assert (gradient[:, :, ~inside] == 0).all(), (output, layer.name)
            assert (gradient[:, :, inside] != 0).mean() > 0.9, (output, layer.name)
            seen += 1
    assert seen == 8 * len(case.virtual_networks)
    if len(case.fractions) == 2:
        kernel = gradients.separate["a/level1"]["group2_block1_conv2/kernel"]
        assert (kernel[:, :, 19:, 19:] == 0).all()  # unit 2 has the channels from 0.6 * 32 on


def test_a_units_gradient_sums_the_terms_of_the_levels_that_contain_it(gradients):
    """Eq. 7: over old and new tasks j, over levels l = S(i, j)..n_h."""
    case = gradients.case
    for unit in range(1, len(case.fractions) + 1):
        using = [output for output, _, _, units in case.virtual_networks if unit in units]
        for layer in gradients.network.layers:
            if not isinstance(layer, UnitConv2D):
                continue
            path = f"{layer.name}/kernel"
            *_, width_in, width_out = gradients.joint[path].shape
            rows = case.owned(width_in, [unit]) if layer.partitioned_input else np.arange(width_in)
            block = np.ix_(
                range(layer.kernel_size),
                range(layer.kernel_size),
                rows,
                case.owned(width_out, [unit]),
            )
            terms = sum(gradients.separate[output][path][block] for output in using)
            assert_close(gradients.joint[path][block], terms, err_msg=f"unit {unit} of {path}")
