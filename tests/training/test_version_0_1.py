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


def test_an_interrupted_run_goes_on(old, capsys):
    folder = old / "joint"
    results = json.loads((folder / "results.json").read_text())
    for name in ("results.json", "stage.json", "model.keras"):
        (folder / name).unlink()
    again = run(configuration.read_experiment([str(folder / "config.gin")]), RunFolder(folder))
    assert "Going on after epoch 1" in capsys.readouterr().out
    assert again["outputs"].keys() == results["outputs"].keys()
    for name, output in again["outputs"].items():
        assert output["loss"] == pytest.approx(results["outputs"][name]["loss"], rel=1e-3)
