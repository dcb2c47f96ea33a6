"""Virtual networks taken out, networks saved and loaded, and parts that do not fit."""

import doctest
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from reference_networks import (
    CASES,
    assert_close,
    batch,
    task,
)

import dvn_tf
from dvn_tf.errors import UserError
from dvn_tf.networks import network as networks_module
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork, load_network
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable

# --------------------------------------------------------------- extraction


@pytest.mark.parametrize("name", CASES)
def test_extracted_networks_have_the_logits_and_stock_layers_only(built, name):
    case, network = CASES[name], built(name)
    images = batch(case)
    logits = network(images, training=False)
    for output, row, level, _ in case.virtual_networks:
        info = case.tasks[row]
        plain = network.extract(info.name, level)
        assert_close(plain(images[info.name], training=False), logits[output], err_msg=output)
        modules = {type(operation).__module__ for operation in plain.operations}
        assert all(module.startswith("keras.") for module in modules), modules
        assert type(plain).__module__.startswith("keras.")


def test_extracted_weights_are_copies(built):
    network = built("plain ResNet, a 1 x 1 table")
    before = network.get_weights()
    plain = network.extract("a", 1)
    plain.set_weights([np.zeros_like(weight) for weight in plain.get_weights()])
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", CASES)
def test_extracted_networks_have_as_many_parameters_as_accounted(built, name):
    case, network = CASES[name], built(name)
    partition = UnitPartition(case.fractions)
    costs = dvn_tf.costs(case.tasks, case.table, case.backbone, partition, case.map_size)
    assert list(costs) == [output for output, *_ in case.virtual_networks]
    for output, row, level, _ in case.virtual_networks:
        plain = network.extract(case.tasks[row].name, level)
        assert costs[output].parameters == plain.count_params()
        assert costs[output].bytes == 4 * plain.count_params()


LOAD_WITHOUT_THE_PACKAGE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "dvn_tf":
            raise ImportError("dvn_tf is not here")

sys.meta_path.insert(0, Blocker())
import keras
import numpy as np

arrays = dict(np.load("arrays.npz"))
for file in sys.argv[1:]:
    model = keras.saving.load_model(file)
    logits = model(arrays[f"{file}/image"], training=False)
    np.testing.assert_allclose(logits, arrays[file], atol=1e-5)
assert "dvn_tf" not in sys.modules
print("same logits")
"""


def test_extracted_networks_load_without_this_package(built, tmp_path):
    arrays = {}
    for name in ("WRN of J3's windows and sizes", "ResNet of units with gaps, uneven, odd maps"):
        case, network = CASES[name], built(name)
        images = batch(case)
        for output, row, level, _ in case.virtual_networks[::3]:
            plain = network.extract(case.tasks[row].name, level)
            file = f"{type(case.backbone).__name__}_{output.replace('/', '_')}.keras"
            plain.save(tmp_path / file)
            arrays[f"{file}/image"] = images[case.tasks[row].name]
            arrays[file] = np.asarray(plain(arrays[f"{file}/image"], training=False))
    np.savez(tmp_path / "arrays.npz", **arrays)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_WITHOUT_THE_PACKAGE, *sorted(arrays)[::2]],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("same logits\n"), done.stderr


# --------------------------------------------------------------- saving and loading


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("WRN by the rule, uneven units", "float32"),
        ("WRN of J3's windows and sizes", "mixed_bfloat16"),
        ("ResNet of units with gaps, uneven, odd maps", "mixed_float16"),
        ("plain ResNet, a 1 x 1 table", "float32"),
    ],
)
def test_a_saved_network_reloads_in_safe_mode_with_the_same_logits(name, dtype, tmp_path):
    case = CASES[name]
    network = case.build(dtype=dtype, weight_decay=1e-3, name="saved")
    network.compile("sgd", **joint_objective(network.virtual_networks))
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(again) is DeepVirtualNetwork
    assert again.name == "saved"
    for field in ("tasks", "table", "backbone", "partition", "weight_decay", "map_size"):
        assert getattr(again, field) == getattr(network, field), field
    assert again.policy.name == dtype
    images = batch(case, size=2)
    logits, reloaded = network(images, training=False), again(images, training=False)
    for output, *_ in case.virtual_networks:
        assert logits[output].dtype == "float32"
        np.testing.assert_array_equal(reloaded[output], logits[output])
    for weight, copy in zip(network.weights, again.weights, strict=True):
        assert (weight.path, weight.dtype) == (copy.path, copy.dtype)
        np.testing.assert_array_equal(weight, copy)


def test_mixed_precision_computes_in_float16_near_the_float32_logits(built):
    name = "WRN by the rule, uneven units"
    mixed = CASES[name].build(dtype="mixed_float16")
    images = batch(CASES[name])
    expected = built(name)(images, training=False)
    assert mixed.get_layer("group1_block1_conv1").output[0].dtype == "float16"
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    for output, logits in mixed(images, training=False).items():
        assert_close(logits, expected[output], tolerance=3e-2)
    plain = mixed.extract("b", 2)
    assert plain.get_layer("group1_block1_conv1").compute_dtype == "float16"
    assert_close(plain(images["b"], training=False), expected["b/level2"], tolerance=3e-2)


def test_files_that_are_no_whole_network_are_refused(built, tmp_path):
    network = built("plain ResNet, a 1 x 1 table")
    network.save(tmp_path / "whole.keras")
    assert type(load_network(tmp_path / "whole.keras")) is DeepVirtualNetwork
    whole = (tmp_path / "whole.keras").read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.keras").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cut\.keras is not a whole Keras model"):
            load_network(tmp_path / "cut.keras")
    with pytest.raises(UserError, match=r"none\.keras is not a whole Keras model"):
        load_network(tmp_path / "none.keras")
    network.extract("a", 1).save(tmp_path / "plain.keras")
    with pytest.raises(UserError, match="holds a Functional, no deep virtual network"):
        load_network(tmp_path / "plain.keras")


# --------------------------------------------------------------- plain networks


def test_a_plain_network_is_the_1_by_1_table():
    case = CASES["plain ResNet, a 1 x 1 table"]
    network, [info] = case.build(), case.tasks
    plain = plain_network(info, case.backbone)
    assert plain.count_params() == network.count_params()
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(
                network.get_layer(
                    layer.name if layer.name != "head" else "a_level1_head"
                ).get_weights()
            )
    images = batch(case)
    assert_close(plain(images["a"]), network(images)["a/level1"])


@pytest.mark.parametrize("partition", [None, UnitPartition.even(2)])
def test_a_plain_network_has_all_channels_unless_units_are_named(partition):
    plain = plain_network(task("a"), WideResNet(8, 2), partition)
    assert plain.get_layer("group3_block1_conv2").kernel.shape == (3, 3, 128, 128)


def test_a_plain_network_of_some_units_has_their_widths():
    plain = plain_network(task("a"), WideResNet(8, 2), UnitPartition((0.25, 0.75)), units=(2,))
    assert plain.get_layer("group1_block1_conv1").kernel.shape == (3, 3, 16, 24)
    assert plain.get_layer("group3_block1_conv2").kernel.shape == (3, 3, 96, 96)


# --------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("tasks", "table", "backbone", "partition", "message"),
    [
        ("a", UnitTable.by_rule(2), WideResNet(8, 1), None, "rows for 2 tasks, but there are 1"),
        ("abc", UnitTable.by_rule(2), WideResNet(8, 1), None, "rows for 2 tasks, .* are 3"),
        ("aa", UnitTable.by_rule(2), WideResNet(8, 1), None, "same name"),
        (
            "ab",
            UnitTable.by_rule(2),
            WideResNet(8, 1),
            UnitPartition.even(3),
            "partition has 3 units, the table 2",
        ),
        (
            "ab",
            UnitTable.by_rule(2),
            WideResNet(8, 1),
            UnitPartition((0.99, 0.01)),
            "unit 2 gets none of a layer's 16 channels",
        ),
        ("abcd", UnitTable.by_rule(4), ResNet(10, 2), None, "gets none of a layer's 2 channels"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tasks, table, backbone, partition, message):
    with pytest.raises(UserError, match=message):
        DeepVirtualNetwork([task(name) for name in tasks], table, backbone, partition)


def test_images_that_do_not_meet_are_refused():
    with pytest.raises(UserError, match=r"a 32x32, b 40x40.* do not come to one map size"):
        DeepVirtualNetwork([task("a", 32), task("b", 40)], UnitTable.by_rule(2), WideResNet(8, 1))


@pytest.mark.parametrize(("name", "level"), [("a", 0), ("a", 4), ("z", 1), ("", 1)])
def test_no_such_virtual_network(built, name, level):
    network = built("WRN by the rule, uneven units")
    with pytest.raises(UserError, match=f"there is no virtual network {name}/level{level}; there"):
        network.extract(name, level)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2 classes"),
        ({"image_shape": (8, 8)}, "an image shape is"),
        ({"image_shape": (8, 0, 3)}, "an image shape is"),
        ({"mean": (1.0, 2.0)}, "mean and std for 3 channels"),
        ({"std": (1.0, 2.0)}, "mean and std for 3 channels"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        TaskInfo(**{"name": "a", "num_classes": 3, "image_shape": (8, 8, 3), **arguments})


def test_docstring_examples():
    results = doctest.testmod(networks_module, extraglobs={"WideResNet": WideResNet})
    assert results.attempted
    assert not results.failed
