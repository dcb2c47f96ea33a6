"""Folders of finished runs as the training programs leave them, with made-up accuracies."""

import json
import pathlib
import re
import types
import zlib

import numpy as np
import pytest

from dvn_tf.training.correctness import write_correctness

CIFAR = {
    "cifar10": {"classes": 10, "train_images": 50_000, "test_images": 10_000},
    "cifar100": {"classes": 100, "train_images": 50_000, "test_images": 10_000},
}
# {method: (title, networks, {(task's number, level): density})}
JOINT = {
    "baseline": ("Baseline", 2, {(0, 1): 1.0, (1, 1): 1.0}),
    "packnet": ("PackNet+", 1, {(0, 1): 0.5, (1, 1): 1.0}),
    "nestednet": ("NestedNet", 1, {(0, 1): 0.5, (1, 1): 1.0}),
    "dvn": ("DVN", 1, {(0, 1): 0.25, (0, 2): 1.0, (1, 1): 0.25, (1, 2): 1.0}),
}
# A deep virtual network, networks of the same sizes that share nothing, and two variants.
OWN = {
    "separate": ("Separate networks", 4, JOINT["dvn"][2]),
    "dvn": JOINT["dvn"],
    "dvn_causal": ("DVN, causal", 1, JOINT["dvn"][2]),
    "dvn_distilled": ("DVN, distilled", 1, JOINT["dvn"][2]),
}
SEQUENTIAL = {
    "feature_extraction": ("Feature Extraction", 1, {(0, 1): 1.0, (1, 1): 1.0}),
    "da_cnn": ("DA-CNN", 1, {(0, 1): 1.0, (1, 1): 1.0}),
    "lwf": ("LwF", 1, {(0, 1): 1.0, (1, 1): 1.0}),
    "nestednet": ("NestedNet", 1, {(0, 1): 0.25, (1, 1): 1.0}),
    "dvn": ("DVN", 1, {(0, 1): 0.25, (0, 2): 1.0, (1, 1): 0.25, (1, 2): 1.0}),
}
SIZE = 7_387_136  # of the whole backbone, in the paper's count
PROVENANCE = {
    "finished": "2026-11-21T16:30:00+00:00",
    "dvn_tf": "0.3.0",
    "keras": "3.12.0",
    "backend": "tensorflow",
    "backend_version": "2.20.0",
    "python": "3.11.9",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "device": "Processor X",
    "cores": 2,
}
STAGED = ("packnet", "baseline", "nestednet_single")


def accuracy(method, seed, name, best=0.9) -> float:
    """A made-up accuracy, always the same for the same output."""
    generator = np.random.default_rng(zlib.crc32(f"{method} {seed} {name}".encode()))
    return best + 0.01 * len(method) / 10 + 0.01 * generator.uniform(-1, 1)


def counted(correct, total) -> dict:
    """The accuracy of an output as results.json holds it."""
    return {"correct": correct, "total": total, "accuracy": correct / total}


def set_correct(file: pathlib.Path, correct: dict) -> None:
    """Gives the outputs of a run other counts, {name: correct test images}, in every stage."""
    results = json.loads(file.read_text())
    for place in (results, *results["stages"]):
        for name, output in place["outputs"].items():
            if name in correct:
                output |= counted(correct[name], output["total"])
    file.write_text(json.dumps(results))


def write_correct(run: pathlib.Path, seed: int = 0) -> dict:
    """Writes a correct.json that agrees with a run's counts, and gives {output: array of bool}."""
    outputs = json.loads((run / "results.json").read_text())["outputs"]
    drawn = np.random.default_rng(seed)
    correct = {
        name: drawn.permutation(np.arange(output["total"]) < output["correct"])
        for name, output in outputs.items()
    }
    write_correctness(run / "correct.json", correct)
    return correct


def without_counts(results: dict) -> dict:
    """The same run as dvn_tf 0.1 wrote it: accuracies in single precision, and no counts."""
    old = json.loads(json.dumps(results))
    for key in ("schema_version", "provenance"):
        del old[key]
    for place in (old, *old["stages"]):
        for output in place["outputs"].values():
            share = np.float32(output.pop("correct")) / np.float32(output.pop("total"))
            output["accuracy"] = float(share)
    return old


def results_of(scenario, kind, method, spec, seed, tasks, epochs=4, **changes) -> dict:
    """What `results.json` holds of one run."""
    title, networks, densities = spec
    names = list(tasks)
    outputs, last = {}, {}
    for (task, level), density in densities.items():
        name = f"{names[task]}/level{level}"
        total = tasks[names[task]]["test_images"]
        share = accuracy(method, seed, name, 0.9 - 0.15 * task + 0.01 * level)
        outputs[name] = counted(round(share * total), total) | {
            "loss": 0.4,
            "units": list(range(1, level + 1)),
            "parameters": round(density * SIZE) + 20_000,
            "parameters_paper": round(density * SIZE),
            "density": density,
            "bytes": 4 * (round(density * SIZE) + 20_000),
            "multiply_adds": 10**9,
        }
        last[name] = {key: outputs[name][key] for key in ("accuracy", "correct", "total", "loss")}
    if method.startswith("separate"):  # each network names its one output level 1
        stages = [
            {
                "name": name.replace("/", "_"),
                "learned": [name.rsplit("/", 1)[0]],
                "outputs": {f"{name.rsplit('/', 1)[0]}/level1": output},
            }
            for name, output in last.items()
        ]
    elif kind == "joint" and method not in STAGED:
        stages = [{"name": "all", "learned": names, "outputs": last}]
    else:
        stages = []
        for number, task in enumerate(names):
            seen = {n: v for n, v in last.items() if n.rsplit("/", 1)[0] in names[: number + 1]}
            if number + 1 < len(names):
                # Before the later tasks an old one stood two points higher, and at one level.
                seen = {
                    n: v | counted(v["correct"] + v["total"] // 50, v["total"])
                    for n, v in seen.items()
                    if n.endswith("level1")
                }
            stages.append({"name": f"task{number + 1}", "learned": [task], "outputs": seen})
    stages = [stage | {"epochs": epochs, "seconds": 60.0} for stage in stages]
    return {
        "schema_version": 2,
        "scenario": scenario,
        "kind": kind,
        "method": method,
        "title": title,
        "seed": seed,
        "epochs": epochs,
        "backbone": "WRN-32-4",
        "batch_size": 128,
        "units": 2,
        "levels": max(level for _, level in densities),
        "tasks": tasks,
        "num_networks": networks,
        "parameters": networks * (SIZE + 100_000),
        "parameters_paper": networks * SIZE,
        "seconds": 3600.0 + 60 * seed,
        "outputs": outputs,
        "stages": stages,
        "provenance": PROVENANCE,
    } | changes


def history_of(results, stage) -> list[dict]:
    """The logs of a stage's epochs: accuracy rises to that of the stage's end."""
    history = []
    for epoch in range(1, stage["epochs"] + 1):
        figures = {"loss": 2.0 / epoch, "val_loss": 2.5 / epoch}
        for name, output in stage["outputs"].items():
            risen = (
                output["accuracy"] * (1 - 0.5 ** (epoch + 1)) / (1 - 0.5 ** (stage["epochs"] + 1))
            )
            figures |= {
                f"{name}_accuracy": min(1.0, risen + 0.01),
                f"val_{name}_accuracy": risen,
                f"val_{name}_cross_entropy": 2.5 / epoch,
            }
        history.append(figures)
    return history


def write_run(folder: pathlib.Path, results: dict) -> pathlib.Path:
    """Writes a run folder, without event files."""
    folder.mkdir(parents=True)
    (folder / "config.gin").write_text("Recipe.epochs = 4\n")
    (folder / "results.json").write_text(json.dumps(results))
    for stage in results["stages"]:
        # Where there are several stages, each has a folder and a configuration of its own.
        own = folder if len(results["stages"]) == 1 else folder / stage["name"]
        own.mkdir(exist_ok=True)
        (own / "config.gin").write_text("Recipe.epochs = 4\n")
        (own / "history.json").write_text(json.dumps(history_of(results, stage)))
    return folder


def write_runs(folder, scenario, kind, methods, tasks=CIFAR, seeds=(0, 1, 2), **changes):
    """Writes runs of every method and seed to <folder>/<method>/seed<n>, and gives the folder."""
    for method, spec in methods.items():
        for seed in seeds:
            results = results_of(scenario, kind, method, spec, seed, tasks, **changes)
            write_run(folder / method / f"seed{seed}", results)
    return folder


def sections(text: str) -> dict[str, str]:
    """The sections of a report, by their headings."""
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="session")
def made():
    """The functions above and what they take: a conftest file cannot be imported."""
    return types.SimpleNamespace(
        write_runs=write_runs,
        write_run=write_run,
        results_of=results_of,
        counted=counted,
        sections=sections,
        set_correct=set_correct,
        write_correct=write_correct,
        without_counts=without_counts,
        PROVENANCE=PROVENANCE,
        CIFAR=CIFAR,
        JOINT=JOINT,
        OWN=OWN,
        SEQUENTIAL=SEQUENTIAL,
        SIZE=SIZE,
    )


@pytest.fixture
def j1(tmp_path) -> pathlib.Path:
    """J1 with four methods and three seeds."""
    return write_runs(tmp_path / "J1", "J1", "joint", JOINT)


@pytest.fixture
def own(tmp_path) -> pathlib.Path:
    """J1 with separate networks, the DVN and two variants, four seeds each."""
    return write_runs(tmp_path / "J1", "J1", "joint", OWN, seeds=range(4))


@pytest.fixture
def s1(tmp_path) -> pathlib.Path:
    """S1 with five methods and three seeds."""
    tasks = {
        name: {"classes": 5, "train_images": 25_000, "test_images": 5_000}
        for name in ("classes_0-4", "classes_5-9")
    }
    return write_runs(tmp_path / "S1", "S1", "sequential", SEQUENTIAL, tasks)
