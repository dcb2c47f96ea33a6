"""Every format against the physical network, on real images, in the format's own runtime."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import dvn_tf
from dvn_tf.export.accuracy import calibration_images, measure_accuracy
from dvn_tf.export.formats import FORMATS, checked_formats, write_file
from dvn_tf.export.manifest import file_facts
from dvn_tf.export.slim import slim_network
from dvn_tf.training.run_folder import RunFolder

FLOAT_FORMATS = ("keras", "tf_saved_model", "litert", "onnx")


def written(slim, format_name, folder, samples=None):
    path = folder / f"network{FORMATS[format_name].suffix}"
    write_file(format_name, slim, path, samples)
    return path


@pytest.mark.parametrize("format_name", FLOAT_FORMATS, indirect=True)
@pytest.mark.parametrize(
    ("takes", "gives"),
    [("float32", "logits"), ("float32", "probabilities"), ("uint8", "probabilities")],
)
def test_equals_the_physical_network(network, digits, format_name, takes, gives, tmp_path):
    images = {name: task.test.images for name, task in digits.items()}
    expected = network.predict(images, verbose=0)["high/level2"]
    if gives == "probabilities":
        expected = keras.ops.softmax(expected)
    slim = slim_network(network, "high", 2, takes, gives)
    run = FORMATS[format_name].open(written(slim, format_name, tmp_path))
    inputs = images["high"].astype(FORMATS[format_name].input_dtype or slim.input_dtype)
    np.testing.assert_allclose(run(inputs), expected, rtol=1e-5, atol=1e-5)
    # A runner takes batches of any size.
    np.testing.assert_allclose(run(inputs[:1]), expected[:1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("format_name", ["litert_int8"], indirect=True)
def test_int8_loses_at_most_a_point(run_dir, digits, format_name, tmp_path):
    network = RunFolder(run_dir).load_model()
    for task, data in zip(("digits_0-4", "digits_5-9"), digits.values(), strict=True):
        for level in (1, 2):
            slim = slim_network(network, task, level)
            samples = calibration_images(data.train.images)
            run = FORMATS[format_name].open(written(slim, format_name, tmp_path, samples))
            accuracy = measure_accuracy(run, data.test, "uint8")
            trained = measure_accuracy(FORMATS["keras"].open(written(slim, "keras", tmp_path)),
                                       data.test, "float32")  # fmt: skip
            assert trained > 0.8
            assert accuracy >= trained - 0.01


@pytest.mark.parametrize("format_name", ["litert_int8"], indirect=True)
def test_int8_is_a_quarter_and_needs_images(digits, format_name, large, tmp_path):
    samples = digits["low"].train.images[:20]
    path = written(large, format_name, tmp_path, samples)
    assert path.stat().st_size < 0.3 * 4 * large.model.count_params()
    with pytest.raises(dvn_tf.UserError, match="needs training images"):
        written(large, format_name, tmp_path)


@pytest.fixture(scope="module")
def large(digits):
    """Large enough that a file is weights above all: 4.9 million of them."""
    info = digits["low"].info
    table = dvn_tf.UnitTable((((1,),),))
    network = dvn_tf.DeepVirtualNetwork([info], table, dvn_tf.ResNet(10, 64))
    return slim_network(network, "low", 1)


@pytest.mark.parametrize("format_name", FLOAT_FORMATS, indirect=True)
def test_weights_are_stored_once(large, format_name, tmp_path):
    size = file_facts(written(large, format_name, tmp_path))["bytes"]
    assert size <= 1.1 * 4 * large.model.count_params()


def test_a_keras_file_needs_nothing_of_this_package(large, digits, run_python, block, tmp_path):
    images = digits["low"].test.images[:20].astype("float32")
    np.save(tmp_path / "images.npy", images)
    path = written(large, "keras", tmp_path)
    code = f"""{block("dvn_tf")}
import keras, numpy as np
np.save("outputs.npy", keras.models.load_model({str(path)!r}).predict(np.load("images.npy")))
"""
    done = run_python(code, cwd=tmp_path, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    expected = large.model.predict(images, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, atol=1e-5)


def test_saved_model_cli(large, digits, block, tmp_path):
    images = digits["low"].test.images[:2].astype("float32")
    np.save(tmp_path / "images.npy", images)
    path = written(large, "tf_saved_model", tmp_path)
    code = f"""{block("dvn_tf")}
from tensorflow.python.tools.saved_model_cli import main
main()
"""
    command = [sys.executable, "-c", code, "run", "--dir", str(path), "--tag_set", "serve"]
    command += ["--signature_def", "serving_default", "--inputs", "images=images.npy"]
    command += ["--outdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "logits" in done.stdout, done.stderr
    expected = large.model.predict(images, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, atol=1e-5)


@pytest.mark.parametrize("format_name", ["onnx", "litert"], indirect=True)
def test_runs_without_tensorflow(large, digits, format_name, run_python, block, tmp_path):
    images = digits["low"].test.images[:5].astype("float32")
    np.save(tmp_path / "images.npy", images)
    path = written(large, format_name, tmp_path)
    code = {
        "onnx": f"""
import onnxruntime
session = onnxruntime.InferenceSession({str(path)!r}, providers=["CPUExecutionProvider"])
[outputs] = session.run(["logits"], {{"images": images}})
""",
        "litert": f"""
from ai_edge_litert.interpreter import Interpreter
run = Interpreter({str(path)!r}).get_signature_runner("serving_default")
outputs = run(images=images)["logits"]
""",
    }[format_name]
    head = f"""{block("dvn_tf", "keras", "tensorflow")}
import numpy as np
images = np.load("images.npy")
"""
    done = run_python(f"{head}{code}np.save('outputs.npy', outputs)", tmp_path, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    expected = large.model.predict(images, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, atol=1e-5)


@pytest.mark.parametrize("format_name", FLOAT_FORMATS, indirect=True)
def test_a_file_describes_itself(network, format_name, tmp_path):
    slim = slim_network(network, "high", 1, origin={"scenario": "digits", "seed": 3})
    path = written(slim, format_name, tmp_path)
    description = _description(format_name, path)
    assert description["class_names"] == ["5", "6", "7", "8", "9"]
    assert description["normalization"]["mean"] == list(slim.task.mean)
    assert description["input"] == {"dtype": "float32", "shape": [8, 8, 1], "range": [0, 255]}
    assert (description["task"], description["level"]) == ("high", 1)
    assert (description["images"]["layout"], description["images"]["colors"]) == ("NHWC", "grey")
    assert "8 x 8 pixels" in description["images"]["resize"]
    assert description["origin"] == {"scenario": "digits", "seed": 3}
    assert description["versions"]["dvn_tf"] == dvn_tf.__version__
    assert description["versions"]["keras"] == keras.__version__
    assert "tensorflow" in description["versions"]


def _description(format_name: str, path: pathlib.Path) -> dict:
    if format_name == "tf_saved_model":
        import tensorflow as tf

        names = tf.saved_model.load(str(path)).signatures["class_names"]()["class_names"]
        assert names.numpy().tolist() == [b"5", b"6", b"7", b"8", b"9"]
        return json.loads((path / "assets.extra" / "description.json").read_text())
    if format_name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        properties = session.get_modelmeta().custom_metadata_map
        structured = ("units", "input", "images", "normalization", "class_names", "origin")
        decoded = {key: json.loads(properties[key]) for key in (*structured, "versions", "level")}
        return {**properties, **decoded}
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").split() == [b"5", b"6", b"7", b"8", b"9"]
        return json.loads(archive.read("description.json"))


def test_names_of_classes_may_be_unknown(digits, tmp_path):
    info = dataclasses.replace(digits["low"].info, class_names=())
    network = dvn_tf.DeepVirtualNetwork(
        [info], dvn_tf.UnitTable((((1,),),)), dvn_tf.WideResNet(8, 1)
    )
    path = written(slim_network(network, "low", 1), "tf_saved_model", tmp_path)
    assert FORMATS["tf_saved_model"].open(path)(np.zeros((1, 8, 8, 1), np.float32)).shape == (1, 5)


def test_an_old_file_survives_a_failure(network, tmp_path, monkeypatch):
    slim = slim_network(network, "low", 1)
    for name in ("keras", "tf_saved_model"):
        path = written(slim, name, tmp_path)
        before = file_facts(path)
        monkeypatch.setattr("dvn_tf.export.slim.network_metadata", _fail)
        with pytest.raises(OSError, match="disk is full"):
            write_file(name, slim, path)
        monkeypatch.undo()
        assert file_facts(path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"network", "network.keras"}


def _fail(*_):
    raise OSError("disk is full")


def test_unknown_format():
    with pytest.raises(dvn_tf.UserError, match="no format 'pickle'"):
        checked_formats(["keras", "pickle"])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(dvn_tf.UserError, match=r'tf2onnx is not .* pip install -e "\.\[export\]"'):
        checked_formats(["onnx"])
