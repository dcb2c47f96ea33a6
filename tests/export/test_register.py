"""A format that the library does not have is added by its own module and one call."""

import importlib.util
import pathlib
import sys
import types

import numpy as np
import pytest

import dvn_tf
from dvn_tf import export
from dvn_tf.benchmarks import latency, memory
from dvn_tf.export.formats import FORMATS, checked_formats
from dvn_tf.training.run_folder import RunFolder


@pytest.fixture
def npz():
    """The format of npz_format.py, registered for one test."""
    file = pathlib.Path(__file__).with_name("npz_format.py")
    spec = importlib.util.spec_from_file_location("npz_format", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["npz_format"] = module  # where an import would put it
    spec.loader.exec_module(module)
    export.register_format(module.NpzFormat())
    yield FORMATS["npz"]
    del FORMATS["npz"], sys.modules["npz_format"]


def test_a_run_is_exported_in_it(npz, run_dir, tmp_path):
    manifest = export.export_run(run_dir, tmp_path, ["npz", "keras"], task="digits_0-4", level=2)
    ours, theirs = manifest["files"]
    assert ours["file"] == "npz/digits_0-4_level2.npz"
    assert ours["accuracy"] == theirs["accuracy"] > 0.8
    output = RunFolder(run_dir).results()["outputs"]["digits_0-4/level2"]
    assert ours["accuracy"] == pytest.approx(output["accuracy"], abs=1e-6)


def test_it_is_timed_and_its_memory_measured(npz, tmp_path):
    task = dvn_tf.TaskInfo("low", 5, (8, 8, 1))
    table = dvn_tf.UnitTable((((1,),),))
    network = dvn_tf.DeepVirtualNetwork([task], table, dvn_tf.WideResNet(8, 1))
    images = np.zeros((2, 8, 8, 1), np.uint8)
    figures = latency.measure_task(network, "low", tmp_path, images, ["npz"], 1, 5, 2)
    values = figures["levels"][0]["runtimes"]["npz"]
    assert values["single"]["milliseconds"][0] > 0
    assert values["single"]["over_keras_export"] is None
    if sys.platform.startswith("linux"):
        assert values["memory"]["peak"] > values["memory"]["network"] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("format_name", ["litert", "litert_int8", "onnx"], indirect=True)
def test_memory_is_measured_without_tensorflow(format_name, network, tmp_path, run_python, block):
    slim = export.slim_network(network, "low", 1)
    path = tmp_path / f"network{FORMATS[format_name].suffix}"
    samples = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    export.formats.write_file(format_name, slim, path, samples)
    dtype = FORMATS[format_name].input_dtype or slim.input_dtype
    kind = type(FORMATS[format_name])
    code = f"""{block("dvn_tf", "dvn_runtime", "keras", "tensorflow")}
import runpy
main = runpy.run_path({memory.__file__!r})["main"]
main({sys.modules[kind.__module__].__file__!r}, {kind.__name__!r}, {str(path)!r},
     {dtype!r}, "8,8,1")
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert '"peak"' in done.stdout


def test_a_name_is_taken_once():
    with pytest.raises(dvn_tf.UserError, match="there is a format 'keras' already"):
        export.register_format(FORMATS["keras"])


def test_missing_members_are_named():
    with pytest.raises(dvn_tf.UserError, match=r"has no title, suffix, .*, write, open"):
        export.register_format(types.SimpleNamespace(name="odd"))
    assert "odd" not in FORMATS


def test_formats_that_need_tensorflow_say_so_on_another_backend(run_python):
    code = """
from dvn_tf.export.formats import checked_formats
assert checked_formats(["keras"]) == ["keras"]
checked_formats(["tf_saved_model"])
"""
    done = run_python(code, KERAS_BACKEND="jax")
    assert "needs Keras to run on TensorFlow, not on jax" in done.stderr


def test_a_name_given_twice_is_one_format():
    assert checked_formats(["keras", "keras"]) == ["keras"]
