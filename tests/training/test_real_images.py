"""J1 on real CIFAR images, narrowed: trained, exported and quantized by the programs."""

import json

import pytest

pytest.importorskip("ai_edge_litert", reason='LiteRT is not installed: pip install -e ".[export]"')

NARROWED = (
    "--gin_file=gin/j1_cifar.gin",
    "--gin_param=WideResNet.depth = 8",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=cifar10/Task.train_examples = 100",
    "--gin_param=Recipe.epochs = 4",
    "--gin_param=Recipe.schedule = 'cosine'",
    "--gin_param=Recipe.evaluate_every = 4",
)


@pytest.fixture(scope="module")
def run_dir(run_program, tfds_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "run"
    done = run_program(
        "experiments.joint", *NARROWED, f"--data_dir={tfds_dir}", f"--run_dir={folder}"
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_output_learns(run_dir):
    history = json.loads((run_dir / "history.json").read_text())
    for task in ("cifar10", "cifar100"):
        for level in (1, 2):
            name = f"{task}/level{level}_cross_entropy"
            assert history[-1][name] < history[0][name]


def test_quantizing_costs_at_most_a_point(run_dir, run_program, tfds_dir):
    done = run_program(
        "experiments.export",
        f"--run_dir={run_dir}",
        f"--data_dir={tfds_dir}",
        "--task=cifar10",
        "--format=litert,litert_int8",
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((run_dir / "export" / "manifest.json").read_text())
    results = json.loads((run_dir / "results.json").read_text())
    found = {(file["format"], file["level"]): file for file in manifest["files"]}
    for level in (1, 2):
        trained = results["outputs"][f"cifar10/level{level}"]["accuracy"]
        single, quantized = found["litert", level], found["litert_int8", level]
        assert single["test_examples"] == quantized["test_examples"] == 10_000
        # Folding rounds otherwise: an image or two may change sides.
        assert single["accuracy"] == pytest.approx(trained, abs=5e-4)
        assert quantized["accuracy"] >= single["accuracy"] - 0.01
        assert quantized["bytes"] < single["bytes"] / 2
