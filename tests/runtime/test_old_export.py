"""An export folder written by version 0.1.0, of which two files of ten are kept."""

import json
import pathlib

import numpy as np
import pytest

from dvn_runtime import BudgetedPredictor
from dvn_runtime.manifest import read_manifest

FOLDER = pathlib.Path(__file__).parent / "export_0.1.0"
TASKS = ("digits_0-4", "digits_5-9")


def test_its_manifest_is_read():
    manifest = read_manifest(FOLDER)
    listed = json.loads((FOLDER / "manifest.json").read_text())["files"]
    assert {"keras", "onnx", "litert", "litert_int8"} == {entry["format"] for entry in listed}
    expected = {entry["file"] for entry in listed if entry["format"].startswith("litert")}
    assert {network.file for network in manifest.networks} == expected
    assert tuple(manifest.tasks) == TASKS


@pytest.mark.parametrize("task", TASKS)
def test_its_files_reach_the_accuracy_that_it_says(task):
    from dvn_tf import data  # only now: it imports TensorFlow

    name, classes = task.split("_")
    images = data.load(data.Task(task, name, classes=classes)).test
    small = min(n.bytes for n in read_manifest(FOLDER).networks if n.format == "litert")
    with BudgetedPredictor(FOLDER, small + 100, tasks=[task]) as predictor:
        [network] = predictor.plan().networks.values()
        answers = predictor.predict(task, images.images).argmax(axis=-1)
    assert network.level == 1
    assert np.mean(answers == images.labels) == pytest.approx(network.accuracy, abs=1e-6)
