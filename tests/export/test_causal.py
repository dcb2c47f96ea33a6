"""Networks with causal levels in every format, and their increments, on real images."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from export.conftest import randomize
from reference_networks import CASES, assert_close, batch

import dvn_tf
from dvn_tf.export import export_increments, export_run
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.formats import FORMATS, write_file
from dvn_tf.export.increment_exporter import chained
from dvn_tf.export.increment_formats import SUFFIXES, open_increment, write_increment
from dvn_tf.export.increments import increments
from dvn_tf.export.metadata import network_metadata
from dvn_tf.export.slim import slim_network
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.runs import run

# The kernels of unit 3 with 1 and 2 are no plain slices; two levels of "high" are equal.
ROWS = (((2,), (2, 3), (1, 2, 3)), ((1, 3), (1, 2, 3), (1, 2, 3)))
BACKBONES = {"WRN": dvn_tf.WideResNet(8, 2), "ResNet": dvn_tf.ResNet(10, 16)}


@pytest.fixture(scope="module", params=BACKBONES)
def causal(request, digits):
    """A network, images of its tasks, and its logits."""
    tasks = [task.info for task in digits.values()]
    partition = dvn_tf.UnitPartition((0.3, 0.3, 0.4))
    network = dvn_tf.DeepVirtualNetwork(
        tasks, dvn_tf.UnitTable(ROWS, 3), BACKBONES[request.param], partition, causal=True
    )
    randomize(network)
    images = {name: task.test.images[:30].astype("float32") for name, task in digits.items()}
    return network, images, network.predict(images, verbose=0)


@pytest.mark.parametrize(
    "format_name", ["keras", "tf_saved_model", "litert", "onnx"], indirect=True
)
def test_every_format_equals_the_network(causal, format_name, tmp_path):
    network, images, logits = causal
    for name in ("low/level1", "low/level3", "high/level2"):
        task, level = name.split("/level")
        slim, form = slim_network(network, task, int(level)), FORMATS[format_name]
        path = tmp_path / f"{slim.name}{form.suffix}"
        write_file(format_name, slim, path)
        np.testing.assert_allclose(form.open(path)(images[task]), logits[name], 1e-5, 2e-5)


def test_a_bundle_equals_the_network_and_stores_normalization_once_a_task(causal, tmp_path):
    network, images, logits = causal
    bundle = Bundle(network, list(network.virtual_networks))
    bundle.write(tmp_path / "bundle")
    loaded = tf.saved_model.load(str(tmp_path / "bundle"))
    for name in network.virtual_networks:
        task, level = name.split("/")
        found = loaded.signatures[f"{task}_{level}"](images=tf.constant(images[task]))["logits"]
        np.testing.assert_allclose(found, logits[name], 1e-5, 2e-5)
    norms = sum(np.prod(w.shape) for w in network.weights if "moving" in w.path)
    assert bundle.count_parameters() == network.count_params() - norms


# ---------------------------------------------------------------------- increments


@pytest.mark.parametrize("name", CASES)
def test_increments_one_after_another_give_the_logits_of_every_level(name):
    case = CASES[name]
    network, images = case.build(causal=True), batch(case)
    logits = network(images, training=False)
    for info in case.tasks:
        known, sizes = {"images": images[info.name]}, 0
        for increment in increments(network, info.name):
            given = {key: known[key] for key in increment.inputs}
            outputs = increment.model(given, training=False)
            output = f"{info.name}/level{increment.level}"
            assert_close(outputs["logits"], logits[output], err_msg=output)
            known |= outputs
            # What is added is computed nowhere else: sizes add up, but for the heads.
            head = increment.model.layers[-1].count_params()
            sizes += increment.model.count_params() - head
            slim = slim_network(network, info.name, increment.level).model
            assert sizes + head == slim.count_params()


def test_an_increment_of_equal_levels_is_a_head():
    parts = increments(CASES["WRN with equal neighbouring levels"].build(causal=True), "a")
    assert [part.units for part in parts] == [(1,), (), (2,)]
    layers = [layer for layer in parts[1].model.layers if layer.weights]
    assert [type(layer) for layer in layers] == [keras.layers.Dense]


@pytest.mark.parametrize("format_name", SUFFIXES, indirect=True)
def test_files_of_increments_equal_the_network(causal, format_name, tmp_path):
    network, images, logits = causal
    runners = []
    for part in increments(network, "low"):
        path = tmp_path / f"{part.name}{SUFFIXES[format_name]}"
        described = network_metadata(part.task, part.level, part.units, "float32", "logits")
        write_increment(part, path, format_name, described)
        runners.append((part.inputs, open_increment(path, format_name)))
        for pictures in (images["low"], images["low"][:1]):
            found = chained(runners)(pictures)
            expected = logits[f"low/level{part.level}"][: len(pictures)]
            np.testing.assert_allclose(found, expected, 1e-5, 2e-5)


def test_nested_levels_have_no_increments(network):
    with pytest.raises(dvn_tf.UserError, match="is no part of the next"):
        increments(network, "low")


def test_an_unknown_task(causal):
    with pytest.raises(dvn_tf.UserError, match="there is no task 'other'; there are low, high"):
        increments(causal[0], "other")


# ---------------------------------------------------------------------- of a run


@pytest.fixture(scope="module")
def causal_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causal") / "run"
    params = ["Recipe.epochs = 2", "WideResNet.width = 1", "DVN.causal = True"]
    run(configuration.read_experiment(["gin/quickstart.gin"], params), RunFolder(folder))
    return folder


def test_a_run_is_exported_with_its_increments(causal_run, tmp_path):
    out = tmp_path / "export"
    export_run(causal_run, out, formats=["litert"])
    before = json.loads((out / "manifest.json").read_text())
    content = export_increments(causal_run, out)
    assert content == json.loads((out / "manifest.json").read_text())
    # Older programs read what they know.
    assert {key: content[key] for key in before} == before
    entries = content["increments"]
    assert len(entries) == 8
    results = json.loads((causal_run / "results.json").read_text())["outputs"]
    for entry in entries:
        assert (out / entry["file"]).stat().st_size == entry["bytes"]
        # Batches of one image and of many round differently.
        trained = results[f"{entry['task']}/level{entry['level']}"]
        assert entry["accuracy"] == pytest.approx(trained["accuracy"], abs=0.01)
    for low, high in zip(entries[::2], entries[1::2], strict=True):
        assert (low["level"], high["level"]) == (1, 2)
        assert low["adds_to"] is None
        assert high["adds_to"] == low["file"]
        levels = [results[f"{low['task']}/level{level}"] for level in (1, 2)]
        assert low["parameters_paper"] == levels[0]["parameters_paper"]
        assert high["parameters_paper"] + low["parameters_paper"] == levels[1]["parameters_paper"]
        heads = 32 * 5  # multiply-adds of level 1's
        total = low["multiply_adds"] + high["multiply_adds"]
        assert total - heads == levels[1]["multiply_adds"]


def test_other_formats_are_refused(causal_run, tmp_path):
    with pytest.raises(dvn_tf.UserError, match="not written in the format 'tf_saved_model'"):
        export_increments(causal_run, tmp_path / "export", formats=["tf_saved_model"])
    assert not (tmp_path / "export").exists()
