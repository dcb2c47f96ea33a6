"""Runs of version 0.1 are still read. `version_0_1.zip` holds what it wrote:

joint/   a run of `gin/quickstart.gin` on a narrow ResNet of two epochs, and its first checkpoint
da_cnn/  the network of a sequence whose second task has DA-CNN's layers
logits.npz  what version 0.1 itself made of `images_of`
"""

import json
import pathlib
import zipfile

import numpy as np
import pytest

import dvn_tf
from dvn_tf.errors import UserError
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.slim import slim_network
from dvn_tf.networks.padding import SAME
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.runs import run


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(pathlib.Path(__file__).parent / "version_0_1.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path


def images_of(task):
    return np.random.default_rng(0).integers(0, 256, (4, *task.image_shape))


@pytest.mark.parametrize("name", ["joint", "da_cnn"])
def test_networks_give_the_logits_that_they_gave(old, name):
    network = RunFolder(old / name).load_model()
    logits = network.predict({task.name: images_of(task) for task in network.tasks}, verbose=0)
    expected = np.load(old / "logits.npz")
    assert sum(key.startswith(f"{name}/") for key in expected) == len(logits)
    for output, values in logits.items():
        np.testing.assert_allclose(values, expected[f"{name}/{output}"], rtol=1e-4, atol=1e-5)


def test_the_added_layers_of_da_cnn_are_there(old):
    network = RunFolder(old / "da_cnn").load_model()
    assert network.heads["digits_5-9"].widths == (32, 32)
    assert type(network.heads["digits_0-4"]) is dvn_tf.networks.heads.Head


def test_a_finished_run_shows_its_results(old, capsys):
    folder = old / "joint"
    experiment = configuration.read_experiment([str(folder / "config.gin")])
    results = run(experiment, RunFolder(folder))
    assert results == json.loads((folder / "results.json").read_text())
    assert "is finished" in capsys.readouterr().out


def test_an_interrupted_run_is_not_finished_by_a_version_that_trains_otherwise(old):
    """Padding and momentum have changed: half of it would be trained in another way."""
    folder = old / "joint"
    for name in ("results.json", "stage.json", "model.keras"):
        (folder / name).unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    experiment = configuration.read_experiment([str(folder / "config.gin")])
    with pytest.raises(UserError, match="another version of dvn_tf trained the run"):
        run(experiment, RunFolder(folder))
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_network_is_saved_and_loaded_with_the_padding_it_was_trained_with(old, tmp_path):
    network = RunFolder(old / "joint").load_model()
    assert network.padding == SAME
    network.save(tmp_path / "again.keras")
    assert dvn_tf.load_network(tmp_path / "again.keras").padding == SAME
    images = {task.name: images_of(task) for task in network.tasks}
    expected = network.predict(images, verbose=0)
    for name, (task, level, _) in network.virtual_networks.items():
        slim = slim_network(network, task.name, level)
        for alone in (network.extract(task.name, level), slim.model):
            logits = alone.predict(images[task.name], verbose=0)
            np.testing.assert_allclose(logits, expected[name], rtol=1e-4, atol=1e-5)
        [function] = Bundle(network, [name]).functions.values()
        logits = function(images[task.name].astype("float32"))["logits"]
        np.testing.assert_allclose(logits, expected[name], rtol=1e-4, atol=1e-5)
