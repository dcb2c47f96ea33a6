"""Several virtual networks in one SavedModel."""

import json

import numpy as np
import pytest
import tensorflow as tf

import dvn_tf
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.manifest import file_facts
from dvn_tf.export.slim import slim_network


@pytest.mark.parametrize(
    ("takes", "gives"),
    [("float32", "logits"), ("float32", "probabilities"), ("uint8", "probabilities")],
)
@pytest.mark.parametrize(
    "names",
    [
        ("low/level1", "low/level2", "high/level1", "high/level2"),
        ("low/level1", "high/level2"),
        ("high/level1",),
    ],
)
def test_signatures_equal_the_physical_network(network, digits, names, takes, gives, tmp_path):
    images = {name: task.test.images[:40] for name, task in digits.items()}
    expected = network.predict(images, verbose=0)
    Bundle(network, names, takes, gives).write(tmp_path / "bundle")
    loaded = tf.saved_model.load(str(tmp_path / "bundle"))
    for name in names:
        task, level = name.split("/")
        inputs = images[task].astype(takes)
        outputs = loaded.signatures[f"{task}_{level}"](images=tf.constant(inputs))
        reference = tf.nn.softmax(expected[name]) if gives == "probabilities" else expected[name]
        [outputs] = outputs.values()
        np.testing.assert_allclose(outputs, reference, rtol=1e-5, atol=1e-5)
        classes = loaded.signatures[f"{task}_class_names"]()["class_names"].numpy()
        assert classes.tolist() == [n.encode() for n in digits[task].info.class_names]
    signatures = {name.replace("/", "_") for name in names}
    named = {f"{name.split('/')[0]}_class_names" for name in names}
    # No network answers a call that names none.
    assert signatures | named == set(loaded.signatures)
    description = json.loads(
        (tmp_path / "bundle" / "assets.extra" / "description.json").read_text()
    )
    assert {s["signature"] for s in description["signatures"]} == signatures


def test_a_default_and_names_of_classes_on_request(network, digits, tmp_path):
    names, images = ("low/level1", "high/level2"), digits["high"].test.images[:7].astype("float32")
    bundle = Bundle(network, names, default="high/level2", names_classes=True)
    bundle.write(tmp_path / "bundle")
    signatures = tf.saved_model.load(str(tmp_path / "bundle")).signatures
    by_default = signatures["serving_default"](images=tf.constant(images))
    by_name = signatures["high_level2"](images=tf.constant(images))
    np.testing.assert_array_equal(by_default["logits"], by_name["logits"])
    # A row for each image, as TensorFlow Serving expects of every output.
    assert by_default["class_names"].numpy().tolist() == 7 * [[b"5", b"6", b"7", b"8", b"9"]]


def test_units_are_trimmed(network):
    parameters = {
        names: Bundle(network, names).count_parameters()
        for names in [
            ("low/level1",),
            ("high/level1",),
            ("low/level1", "high/level1"),
            ("low/level1", "low/level2"),
            tuple(network.virtual_networks),
        ]
    }
    alone = parameters["low/level1",] + parameters["high/level1",]
    # Networks without a unit in common share nothing, and pay for nothing between them.
    assert parameters["low/level1", "high/level1"] == alone
    nested = Bundle(network, ("low/level1", "low/level2"))
    assert nested.units == (1, 2)
    slim = [slim_network(network, "low", level).model.count_params() for level in (1, 2)]
    assert nested.count_parameters() < sum(slim)
    assert nested.count_parameters() < parameters[tuple(network.virtual_networks)]


def test_weights_are_stored_once(digits, tmp_path):
    infos = [task.info for task in digits.values()]
    network = dvn_tf.DeepVirtualNetwork(infos, dvn_tf.UnitTable.by_rule(2), dvn_tf.ResNet(10, 64))
    bundle = Bundle(network, list(network.virtual_networks))
    bundle.write(tmp_path / "bundle")
    assert file_facts(tmp_path / "bundle")["bytes"] <= 1.1 * 4 * bundle.count_parameters()
    assert bundle.count_parameters() <= network.count_params()
