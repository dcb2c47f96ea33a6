"""All k x n_h logits and gradients against networks built separately of stock Keras layers."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reference_networks import (
    CASES,
    READ_UNCUT,
    Case,
    assert_close,
    batch,
    dense,
    normalized,
    references,
    task,
)

from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.tasks import input_strides
from dvn_tf.units import UnitTable

# --------------------------------------------------------------- logits


@pytest.mark.parametrize("name", CASES)
def test_all_logits_equal_networks_of_stock_layers(built, name):
    case, network = CASES[name], built(name)
    images = batch(case)
    inference = network(images, training=False)
    before = network.get_weights()
    training = network(images, training=True)
    network.set_weights(before)  # batch statistics have moved the moving ones
    assert list(inference) == [output for output, *_ in case.virtual_networks]
    assert len(inference) == len(case.rows) * len(case.rows[0])
    for reference, (output, row, *_) in zip(
        references(case, network), case.virtual_networks, strict=True
    ):
        info = case.tasks[row]
        assert inference[output].shape == (4, info.num_classes)
        image = normalized(images[info.name])
        assert_close(inference[output], reference.model(image, training=False), err_msg=output)
        assert_close(training[output], reference.model(image, training=True), err_msg=output)


def test_virtual_networks_names_every_output_in_the_tables_order(built):
    network = built("WRN of J3's windows and sizes")
    a, b, c = network.tasks
    assert list(network.virtual_networks.items()) == [
        ("a/level1", (a, 1, (1, 2))),
        ("a/level2", (a, 2, (1, 2, 3))),
        ("a/level3", (a, 3, (1, 2, 3, 4))),
        ("b/level1", (b, 1, (2, 3))),
        ("b/level2", (b, 2, (1, 2, 3))),
        ("b/level3", (b, 3, (1, 2, 3, 4))),
        ("c/level1", (c, 1, (3, 4))),
        ("c/level2", (c, 2, (2, 3, 4))),
        ("c/level3", (c, 3, (1, 2, 3, 4))),
    ]


def test_images_of_32_64_and_96_pixels_meet_at_32():
    tasks = [task("tiny", 64), task("cifar", 32), task("stl", 96)]
    assert input_strides(tasks) == (2, 1, 3)
    table = UnitTable.by_rule(3, num_units=4, level_sizes=(2, 3, 4))
    network = DeepVirtualNetwork(tasks, table, WideResNet(8, 1))
    for info in tasks:
        assert network.get_layer(f"{info.name}_input_conv").output.shape == (None, 32, 32, 16)
        assert network.input[info.name].shape == (None, *info.image_shape)
    assert len(network.outputs) == 9


def test_map_size_can_be_given():
    tasks = [task("a", 32), task("b", 64)]
    assert input_strides(tasks, map_size=16) == (2, 4)
    network = DeepVirtualNetwork(tasks, UnitTable.by_rule(2), WideResNet(8, 1), map_size=16)
    assert network.get_layer("b_input_conv").output.shape == (None, 16, 16, 16)
    assert network.extract("b", 1).get_layer("b_input_conv").output.shape == (None, 16, 16, 16)


# --------------------------------------------------------------- gradients (Eq. 5)


@dataclasses.dataclass
class Gradients:
    """Of a network in training mode: of each loss alone, of their sum, and the references'."""

    case: Case
    network: DeepVirtualNetwork
    separate: list  # for each virtual network {path of a weight: gradient}
    joint: dict  # {path of a weight: gradient}
    references: list  # for each virtual network its `Reference`
    expected: list  # for each virtual network {name of a layer: gradients}

    @property
    def kernels(self):
        return {
            layer.name: layer.kernel.path
            for layer in self.network.layers
            if isinstance(layer, UnitConv2D)
        }


@pytest.fixture(scope="module", params=[0, 3], ids=["WRN", "ResNet with gaps"])
def gradients(request):
    case = list(CASES.values())[request.param]
    network = case.build(dtype="float64")  # so that rounding hides no error
    weights = network.get_weights()
    images = batch(case, size=12)  # few positions in the last maps would amplify rounding
    rng = np.random.default_rng(7)
    labels = {info.name: rng.integers(0, info.num_classes, 12) for info in case.tasks}
    by_output = {output: labels[case.tasks[row].name] for output, row, *_ in case.virtual_networks}
    network.compile(**joint_objective(network.virtual_networks))
    tensors = {w.path: w.value for w in network.trainable_weights}
    with tf.GradientTape(persistent=True) as tape:
        logits = network(images, training=True)
        losses = [
            tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(by_output[output], logits[output])
            )
            for output, *_ in case.virtual_networks
        ]
        joint = network.compute_loss(images, by_output, logits, training=True)

    def of(loss):
        found = tape.gradient(loss, tensors, unconnected_gradients="zero")
        return {path: dense(gradient) for path, gradient in found.items()}

    separate, joint = [of(loss) for loss in losses], of(joint)
    network.set_weights(weights)
    stock = references(case, network)
    expected = [
        reference.gradient(images[case.tasks[row].name], labels[case.tasks[row].name])
        for reference, (_, row, *_) in zip(stock, case.virtual_networks, strict=True)
    ]
    return Gradients(case, network, separate, joint, stock, expected)


def test_gradient_of_a_loss_is_zero_outside_its_units(gradients):
    for separate, reference in zip(gradients.separate, gradients.references, strict=True):
        for name, path in gradients.kernels.items():
            _, rows, columns = reference.convs[name]
            inside = np.zeros(separate[path].shape[2:], bool)
            inside[np.ix_(rows, columns)] = True
            assert (separate[path][:, :, ~inside] == 0).all(), name
            assert (separate[path][:, :, inside] != 0).any(), name


def test_gradient_of_each_loss_equals_that_of_a_network_of_stock_layers(gradients):
    for separate, expected in zip(gradients.separate, gradients.expected, strict=True):
        for name, path in gradients.kernels.items():
            assert_close(separate[path], expected[name][0], tolerance=1e-9, err_msg=name)


def test_gradient_of_the_sum_equals_the_sum_over_networks_of_stock_layers(gradients):
    """Eq. 4's gradient for every trainable weight: kernels, normalization, input layers, heads."""
    seen = 0
    for layer in gradients.network.layers:
        for index, weight in enumerate(layer.trainable_weights):
            expected = sum(
                found[layer.name][index] for found in gradients.expected if layer.name in found
            )
            assert_close(gradients.joint[weight.path], expected, err_msg=weight.path)
            seen += 1
    assert seen == len(gradients.network.trainable_weights)


def test_gradient_of_a_unit_sums_the_levels_that_contain_it(gradients):
    """Eq. 5: over tasks j, over levels l = S(i, j)..n_h, of dL_{l,j} / dW_i."""
    case = gradients.case
    for unit in range(1, len(case.fractions) + 1):
        networks = [
            row * len(levels) + level
            for row, levels in enumerate(case.rows)
            for level in range(entry_level(unit, levels) - 1, len(levels))
        ]
        for name, path in gradients.kernels.items():
            *_, width_in, width_out = gradients.joint[path].shape
            rows = np.arange(width_in) if name in READ_UNCUT else case.owned(width_in, [unit])
            block = np.ix_(rows, case.owned(width_out, [unit]))
            total = gradients.joint[path].transpose(2, 3, 0, 1)[block]
            levels = sum(
                gradients.separate[index][path].transpose(2, 3, 0, 1)[block] for index in networks
            )
            assert_close(total, levels, err_msg=f"unit {unit} of {name}")


def entry_level(unit, levels):
    """S(i, j), one beyond the highest level where the unit never enters the task."""
    return min(
        [level for level, units in enumerate(levels, 1) if unit in units] + [len(levels) + 1]
    )
