"""Backbones that the package does not have go all the way: training, extraction, export."""

import keras
import numpy as np
import pytest
from networks.own_backbones import TinyDenseNet, TinyVGG

import dvn_tf
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.formats import FORMATS, write_file
from dvn_tf.export.slim import find_folds, slim_network
from dvn_tf.networks.warm_start import warm_start

TASKS = [dvn_tf.TaskInfo("a", 3, (8, 8, 3)), dvn_tf.TaskInfo("b", 4, (16, 16, 3))]
TABLE = dvn_tf.UnitTable((((1,), (1, 3)), ((2,), (1, 2, 3))), 3)  # one of them has a gap
PARTITION = dvn_tf.UnitPartition((0.5, 0.25, 0.25))
NUM_BLOCKS = {"TinyVGG": 4, "TinyDenseNet": 5}


def build(backbone, tasks=TASKS, table=TABLE, seed=0, **kwargs):
    keras.utils.set_random_seed(seed)
    return dvn_tf.DeepVirtualNetwork(tasks, table, backbone, PARTITION, **kwargs)


def images_of(tasks, count=6):
    generator = np.random.default_rng(0)
    return {task.name: generator.integers(0, 256, (count, *task.image_shape)) for task in tasks}


@pytest.fixture(scope="module", params=[TinyVGG(), TinyDenseNet()], ids=lambda b: b.name)
def trained(request):
    """A network after some steps, its images, its logits, and its loss before and after."""
    network, images = build(request.param, weight_decay=1e-4), images_of(TASKS)
    labels = {task.name: np.arange(6) % task.num_classes for task in TASKS}
    targets = {name: labels[task.name] for name, (task, _, _) in network.virtual_networks.items()}
    network.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        **dvn_tf.joint_objective(network.virtual_networks),
    )
    history = network.fit(images, targets, batch_size=6, epochs=30, verbose=0).history["loss"]
    return network, images, network.predict(images, verbose=0), history


def test_it_learns(trained):
    _, _, _, losses = trained
    assert losses[-1] < 0.5 * losses[0]


def test_extracted_networks_give_the_same_logits(trained):
    network, images, logits, _ = trained
    for name, (task, level, _) in network.virtual_networks.items():
        plain = network.extract(task.name, level)
        np.testing.assert_allclose(
            plain.predict(images[task.name], verbose=0), logits[name], rtol=1e-4, atol=1e-4
        )


def test_costs_are_those_of_the_extracted_networks(trained):
    network, _, _, _ = trained
    for name, (task, level, _) in network.virtual_networks.items():
        plain, cost = network.extract(task.name, level), network.costs()[name]
        own = sum(layer.count_params() for layer in plain.layers if "normalize" not in layer.name)
        assert cost.parameters == own
        convs = [layer for layer in plain.layers if isinstance(layer, keras.layers.Conv2D)]
        by_hand = sum(conv.kernel.shape.num_elements() for conv in convs[1:])
        assert cost.parameters_paper == by_hand
        dense = plain.layers[-1].kernel.shape.num_elements()
        steps = [
            conv.kernel.shape.num_elements() * np.prod(conv.output.shape[1:3]) for conv in convs
        ]
        assert cost.multiply_adds == sum(steps) + dense


def test_slim_networks_fold_what_follows_a_convolution_alone(trained):
    network, images, logits, _ = trained
    folds = find_folds(network.backbone, "a_input_conv")
    if isinstance(network.backbone, TinyVGG):
        assert len(folds) == NUM_BLOCKS["TinyVGG"]  # all of them
    else:
        assert folds == {}  # every convolution is read by a concatenation, the stem too
    for name, (task, level, _) in network.virtual_networks.items():
        slim = slim_network(network, task.name, level)
        outputs = slim.model.predict(images[task.name].astype("float32"), verbose=0)
        np.testing.assert_allclose(outputs, logits[name], rtol=1e-3, atol=1e-3)


def test_exports_give_the_same_logits(trained, tmp_path):
    pytest.importorskip("ai_edge_litert")
    network, images, logits, _ = trained
    for task, level in (("a", 2), ("b", 1)):
        slim, expected = slim_network(network, task, level), logits[f"{task}/level{level}"]
        for name in ("keras", "litert"):
            path = tmp_path / f"{name}{level}{FORMATS[name].suffix}"
            write_file(name, slim, path)
            outputs = FORMATS[name].open(path)(images[task].astype("float32"))
            np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)


def test_bundles_give_the_same_logits(trained):
    network, images, logits, _ = trained
    bundle = Bundle(network, list(network.virtual_networks))
    for name, (task, level, _) in network.virtual_networks.items():
        function = bundle.functions[f"{task.name}_level{level}"]
        outputs = function(images[task.name].astype("float32"))["logits"]
        np.testing.assert_allclose(outputs, logits[name], rtol=1e-3, atol=1e-3)


def test_a_saved_network_is_the_same(trained, tmp_path):
    network, images, logits, _ = trained
    network.save(tmp_path / "network.keras")
    loaded = dvn_tf.load_network(tmp_path / "network.keras")
    assert loaded.backbone == network.backbone
    again = loaded.predict(images, verbose=0)
    for name, values in logits.items():
        np.testing.assert_array_equal(again[name], values)


@pytest.mark.parametrize("backbone", [TinyVGG(), TinyDenseNet()], ids=lambda b: b.name)
def test_a_network_that_grows_keeps_what_it_knew(backbone):
    """Warm start, with stored units fewer than the partition's."""
    source = build(backbone, TASKS[:1], dvn_tf.UnitTable((((1,), (1, 3)),), 3))
    target = build(backbone, seed=1, map_size=8)
    warm_start(source, target)
    images = images_of(TASKS)
    before = source.predict({"a": images["a"]}, verbose=0)
    after = target.predict(images, verbose=0)
    for name in ("a/level1", "a/level2"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-4)
