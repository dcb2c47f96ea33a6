"""Depths, layers and their order of the two backbones, on networks of stock layers."""

import keras
import pytest

from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import TaskInfo


def build(backbone, classes=10):
    return plain_network(TaskInfo("t", classes, (32, 32, 3)), backbone)


def convolutions(network, size):
    return [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (size, size)
    ]


# ---------------------------------------------------------------------------- depths


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(8, 1), (14, 2), (20, 3), (32, 5), (10, 1), (16, 2), (28, 4), (40, 6)],
)
def test_wide_resnet_has_three_groups_of_n_blocks(depth, blocks):
    network = build(WideResNet(depth, 1))
    # The input layer and two a block; the fully connected layer makes 6N+2.
    assert len(convolutions(network, 3)) == 1 + 3 * 2 * blocks
    # Where the width changes; a scale of 1 keeps the input layer's 16 channels in group 1. The
    # WRN paper counts three more (6N+4): one for each group, as at any greater scale.
    assert len(convolutions(network, 1)) == 2
    assert depth in (6 * blocks + 2, 6 * blocks + 4)


def test_a_wider_wide_resnet_projects_at_the_start_of_every_group():
    network = build(WideResNet(16, 2))
    projections = convolutions(network, 1)
    assert [layer.name for layer in projections] == [
        f"group{group}_block1_projection" for group in (1, 2, 3)
    ]
    assert [layer.strides for layer in projections] == [(1, 1), (2, 2), (2, 2)]
    assert [layer.filters for layer in projections] == [32, 64, 128]


@pytest.mark.parametrize(("depth", "blocks"), [(10, 1), (18, 2), (34, 4), (42, 5)])
def test_resnet_has_four_stages_of_n_blocks_and_no_projection(depth, blocks):
    network = build(ResNet(depth, 2))
    assert len(convolutions(network, 3)) == 1 + 4 * 2 * blocks == depth - 1
    assert convolutions(network, 1) == []


@pytest.mark.parametrize("depth", [2, 4, 7, 9, 11, 12, 13, 15, 30, 33])
def test_depths_that_no_wide_resnet_has_are_refused(depth):
    with pytest.raises(UserError, match=f"no wide residual network of depth {depth}: use 6N"):
        WideResNet(depth, 1)


@pytest.mark.parametrize("depth", [2, 8, 9, 11, 14, 20, 22, 32, 41, 43, 49])
def test_depths_that_no_resnet_has_are_refused(depth):
    with pytest.raises(UserError, match=f"no ResNet of depth {depth} here: use 8N"):
        ResNet(depth)


@pytest.mark.parametrize("value", [-6, -4, 0])
def test_depths_and_widths_below_one_are_refused(value):
    for make, what, most in (
        (lambda: WideResNet(value, 1), "WideResNet.depth", "1,000"),
        (lambda: WideResNet(8, value), "WideResNet.width", "64"),
        (lambda: ResNet(value), "ResNet.depth", "1,000"),
        (lambda: ResNet(10, value), "ResNet.base_width", "1,024"),
    ):
        with pytest.raises(
            UserError, match=f"^{what} must be a whole number from 1 to {most}, not {value}$"
        ):
            make()


def test_names_and_widths():
    assert (WideResNet(28, 10).name, WideResNet(28, 10).widths) == ("WRN-28-10", (160, 320, 640))
    assert (ResNet(42).name, ResNet(42).widths) == ("ResNet-42", (64, 128, 256, 512))
    assert ResNet(42, 16).name == "ResNet-42-w16"
    assert WideResNet() == WideResNet(32, 4)
    assert ResNet() == ResNet(42, 64)


@pytest.mark.parametrize("backbone", [WideResNet(14, 3), ResNet(18, 5)])
def test_backbones_come_back_from_their_config(backbone):
    serialized = keras.saving.serialize_keras_object(backbone)
    assert keras.saving.deserialize_keras_object(serialized) == backbone


# ---------------------------------------------------------------------------- sizes


def test_wrn_28_10_has_the_wrn_papers_36_5_million_parameters():
    network = build(WideResNet(28, 10))
    trainable = sum(weight.value.shape.num_elements() for weight in network.trainable_weights)
    assert trainable == 36_479_194  # as the authors' own, for the 10 classes of CIFAR-10
    assert round(trainable / 1e6, 1) == 36.5


def test_maps_halve_where_the_width_doubles():
    network = build(WideResNet(14, 2))
    shapes = [
        network.get_layer(f"group{group}_block{block}_conv2").output.shape[1:]
        for group in (1, 2, 3)
        for block in (1, 2)
    ]
    assert shapes == [(32, 32, 32)] * 2 + [(16, 16, 64)] * 2 + [(8, 8, 128)] * 2
    network = build(ResNet(10, 4))
    shapes = [
        network.get_layer(f"stage{stage}_block1_conv2").output.shape[1:] for stage in (1, 2, 3, 4)
    ]
    assert shapes == [(32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32)]


# ---------------------------------------------------------------------------- order of layers


def kind(operation):
    name = type(operation).__name__
    return {"BatchNormalization": "BN", "Conv2D": "conv", "InputLayer": "input"}.get(name, name)


def source(tensor):
    """The operation that a tensor of a functional model comes from, before any padding."""
    operation = tensor._keras_history.operation
    return source(operation.input) if kind(operation) == "ZeroPadding2D" else operation


def way_back(operation, length):
    """The kinds of the operations before one, nearest last; additions end the way."""
    kinds = []
    while len(kinds) < length:
        operation = source(operation.input)
        kinds.insert(0, kind(operation))
        if isinstance(operation.input, list):
            break
    return kinds


def test_wide_resnet_is_pre_activation():
    network = build(WideResNet(14, 2))
    for group, block in [(1, 2), (2, 1), (2, 2), (3, 1)]:
        name = f"group{group}_block{block}"
        conv1 = network.get_layer(f"{name}_conv1")
        assert way_back(conv1, 3) == ["Add", "BN", "Relu"]
        conv2 = network.get_layer(f"{name}_conv2")
        assert way_back(conv2, 3) == ["conv", "BN", "Relu"]
        assert source(source(source(conv2.input).input).input) is conv1
        if block == 1:  # the projection reads what conv1 reads
            projection = network.get_layer(f"{name}_projection")
            assert source(projection.input) is source(conv1.input)
    first = network.get_layer("group1_block1_conv1")
    assert way_back(first, 3) == ["conv", "BN", "Relu"]  # the input layer's
    # The whole ends in normalization and rectification of the last sum.
    pool = next(
        layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    assert way_back(pool, 3) == ["Add", "BN", "Relu"]


def test_wide_resnet_adds_the_bare_input_of_a_block():
    network = build(WideResNet(14, 2))
    conv2 = network.get_layer("group1_block2_conv2")
    [last] = [
        operation
        for operation in network.operations
        if kind(operation) == "Add" and source(operation.input[1]) is conv2
    ]
    assert kind(source(last.input[0])) == "Add"  # the sum of block 1, neither normalized nor cut


def test_resnet_is_post_activation():
    network = build(ResNet(18, 4))
    for stage, block in [(1, 1), (1, 2), (2, 1), (4, 2)]:
        name = f"stage{stage}_block{block}"
        conv1, conv2 = (network.get_layer(f"{name}_conv{i}") for i in (1, 2))
        assert way_back(conv2, 3) == ["conv", "BN", "Relu"]
        assert source(source(source(conv2.input).input).input) is conv1
        if (stage, block) == (1, 1):
            assert way_back(conv1, 3) == ["conv", "BN", "Relu"]  # the input layer's
        else:
            assert way_back(conv1, 2) == ["Add", "Relu"]
        [end] = [
            operation
            for operation in network.operations
            if kind(operation) == "Add"
            and source(operation.input[1]) is network.get_layer(f"{name}_norm2")
        ]
        assert source(network.get_layer(f"{name}_norm2").input) is conv2
        assert kind(end) == "Add"
        if block == 2:  # the identity shortcut carries the rectified sum of the block before
            assert kind(source(end.input[0])) == "Relu"
    pool = next(
        layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    assert way_back(pool, 2) == ["Add", "Relu"]


def test_every_convolution_is_without_bias_and_drawn_by_xaviers_method():
    for backbone in (WideResNet(14, 2), ResNet(10, 4)):
        for layer in convolutions(build(backbone), 3) + convolutions(build(backbone), 1):
            assert not layer.use_bias
            assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
