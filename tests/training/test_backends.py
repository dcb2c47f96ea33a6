"""TensorFlow and JAX train alike, and one goes on where the other stopped."""

import json

import numpy as np
import pytest
from conftest import TESTS
from training import other_backend
from training.other_backend import SCENARIOS

from dvn_tf.export.manifest import file_facts
from dvn_tf.training.run_folder import RunFolder

pytest.importorskip("jax")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_python):
    """The folder in which both have trained, and the losses of TensorFlow's first steps."""
    folder = tmp_path_factory.mktemp("backends")
    with other_backend.double_precision():
        losses = {kind: other_backend.losses_of_first_steps(kind, folder) for kind in SCENARIOS}
    other_backend.begin(folder / "begun_there")
    done = run_python(
        (TESTS / "training/other_backend.py").read_text(),
        args=[folder],
        KERAS_BACKEND="jax",
        PYTHONPATH=str(TESTS),
        XLA_FLAGS="--xla_backend_optimization_level=0",  # compiles in half the time
    )
    assert done.returncode == 0, done.stderr
    other_backend.finish(folder / "begun_here")
    return folder, losses


@pytest.mark.parametrize("kind", SCENARIOS)
def test_the_first_steps_have_the_same_losses(trained, kind):
    folder, losses = trained
    here, there = losses[kind], json.loads((folder / "losses.json").read_text())[kind]
    assert len(here) == len(there) == other_backend.STEPS
    figure = "distillation" if kind == "distillation" else "cross_entropy"
    assert any(name.endswith(figure) for name in here[0])
    for one, other in zip(here, there, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert other[name] == pytest.approx(one[name], abs=1e-5), name
    assert here[-1]["loss"] < here[0]["loss"] - 0.1


@pytest.mark.parametrize("name", ["begun_here", "begun_there"])
def test_a_run_can_be_continued_under_the_other_backend(trained, name):
    folder, _ = trained
    whole, mixed = (RunFolder(folder / run) for run in (f"{name}_whole", name))
    for one, other in zip(whole.history(3), mixed.history(3), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-3)
    expected = whole.load_model()
    for weight, other in zip(expected.weights, mixed.load_model().weights, strict=True):
        np.testing.assert_allclose(other, weight, atol=1e-3, err_msg=weight.path)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("begun_there_whole", ["tensorflow"]),
        ("begun_there", ["tensorflow", "jax"]),
        ("begun_here", ["jax", "tensorflow"]),
    ],
)
def test_the_results_say_what_trained_the_run(trained, name, order):
    results = RunFolder(trained[0] / name).results()
    [stage] = results["stages"]
    assert [backend.partition(" ")[0] for backend in stage["backends"]] == order
    made = results["provenance"]
    assert made["backend"] == ", then ".join(order)
    assert made["backend_version"].count(", then ") == len(order) - 1


def test_an_export_has_the_same_bytes_whatever_the_variable_says(trained, run_program):
    folder, _ = trained
    found = []
    for backend in ("tensorflow", "jax"):
        export_dir = folder / f"export_{backend}"
        done = run_program(
            *("experiments.export", f"--run_dir={folder / 'begun_there'}", "--level=1"),
            *("--task=digits_0-4", f"--export_dir={export_dir}"),
            KERAS_BACKEND=backend,
        )
        assert done.returncode == 0, done.stderr
        found.append(file_facts(export_dir)["files_sha256"])
    assert found[0] == found[1]
    manifest = json.loads((folder / "export_jax/manifest.json").read_text())
    assert {file["format"] for file in manifest["files"]} == {"keras", "tf_saved_model"}
    accuracy = RunFolder(folder / "begun_there").results()["outputs"]["digits_0-4/level1"]
    assert {file["accuracy"] for file in manifest["files"]} == {accuracy["accuracy"]}
