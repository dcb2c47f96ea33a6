"""Slim networks: what is folded, and that folding changes nothing but rounding."""

import keras
import numpy as np
import pytest

import dvn_tf
from dvn_tf.export.slim import find_folds, slim_network


def test_folds_of_a_post_activation_network_are_all():
    folds = find_folds(dvn_tf.ResNet(10), "stem")
    norms = {"input_norm"} | {f"stage{s}_block1_norm{n}" for s in (1, 2, 3, 4) for n in (1, 2)}
    assert set(folds.values()) == norms
    assert folds["stem"] == "input_norm"
    assert folds["stage3_block1_conv2"] == "stage3_block1_norm2"


def test_folds_of_a_pre_activation_network_are_those_right_after_a_convolution():
    folds = find_folds(dvn_tf.WideResNet(14, 2), "stem")
    # The first block projects its activated input: nobody else reads the input layer's output.
    assert folds.pop("stem") == "group1_block1_norm1"
    assert folds == {
        f"group{g}_block{b}_conv1": f"group{g}_block{b}_norm2" for g in (1, 2, 3) for b in (1, 2)
    }


def test_a_convolution_with_a_second_reader_keeps_its_output():
    # Of width 1, the first block needs no projection: its shortcut reads the input layer.
    assert "stem" not in find_folds(dvn_tf.WideResNet(8, 1), "stem")


@pytest.mark.parametrize(
    ("takes", "gives"),
    [("float32", "logits"), ("float32", "probabilities"), ("uint8", "probabilities")],
)
def test_outputs_equal_the_physical_networks(network, digits, takes, gives):
    images = {name: task.test.images for name, task in digits.items()}
    expected = network.predict(images, verbose=0)
    for name, (task, level, units) in network.virtual_networks.items():
        slim = slim_network(network, task.name, level, takes, gives)
        outputs = slim.model.predict(images[task.name], verbose=0)
        reference = (
            keras.ops.softmax(expected[name]) if gives == "probabilities" else expected[name]
        )
        np.testing.assert_allclose(outputs, reference, rtol=1e-5, atol=1e-5)
        assert slim.units == units
        assert slim.model.input.dtype == takes


def test_only_stock_layers_and_no_folded_normalization(network):
    slim = slim_network(network, "low", 1)
    assert all(type(layer).__module__.startswith("keras.") for layer in slim.model.layers)
    norms = [n for n in slim.model.layers if isinstance(n, keras.layers.BatchNormalization)]
    plain = network.extract("low", 1)
    before = [n for n in plain.layers if isinstance(n, keras.layers.BatchNormalization)]
    folds = find_folds(network.backbone, "low_input_conv")
    assert len(norms) == len(before) - len(folds)
    assert slim.model.count_params() < plain.count_params()


def test_a_network_trained_in_mixed_precision_is_exported_in_float32(digits):
    tasks = [task.info for task in digits.values()]
    table = dvn_tf.UnitTable.by_rule(2)
    mixed = dvn_tf.DeepVirtualNetwork(tasks, table, dvn_tf.WideResNet(8, 1), dtype="mixed_float16")
    slim = slim_network(mixed, "low", 1)
    assert {layer.compute_dtype for layer in slim.model.layers if layer.weights} == {"float32"}


def test_unknown_network(network):
    with pytest.raises(dvn_tf.UserError, match="no virtual network low/level9"):
        slim_network(network, "low", 9)
