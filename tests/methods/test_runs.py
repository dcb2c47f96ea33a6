"""Every method end to end on the digits: what it trains, what that costs, what it writes."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from methods.short_runs import HIGH, LOW, images_to_test_on, logits_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dvn_tf.tasks import size_name
from dvn_tf.training.correctness import read_correctness

# Where units begin and end in layers of 16, 32 and 64 channels, the fractions rounded by hand.
WHOLE = ((0, 16), (0, 32), (0, 64))
TWICE = ((0, 32), (0, 64), (0, 128))
HALVES = ((0, 8, 16), (0, 16, 32), (0, 32, 64))
THIRDS = ((0, 5, 11, 16), (0, 11, 21, 32), (0, 21, 43, 64))
ROOT_HALF = ((0, 11, 16), (0, 23, 32), (0, 45, 64))  # of 1/2 and 1
ROOT_THIRDS = ((0, 9, 13, 16), (0, 18, 26, 32), (0, 37, 52, 64))  # of 1/3, 2/3 and 1
OF_THREE = ("digits_0-2", "digits_3-5", "digits_6-9")
CLASSES = {LOW: 5, HIGH: 5, "digits_0-2": 3, "digits_3-5": 3, "digits_6-9": 4}


@dataclasses.dataclass(frozen=True)
class Network:
    """A stored network: its folder, its outputs with their units, and where its units lie."""

    outputs: dict
    edges: tuple = WHOLE
    folder: str = ""
    added: dict = dataclasses.field(default_factory=dict)  # {output: widths of added layers}
    level: int = 1  # the results' level of the network's first


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a run must be."""

    title: str
    stages: tuple
    networks: tuple[Network, ...]


def rows(tasks, table):
    return {
        f"{task}/level{level}": units
        for task, levels in zip(tasks, table, strict=True)
        for level, units in enumerate(levels, start=1)
    }


PAIR, ONE = (LOW, HIGH), ((1,),)
SHARED = rows(PAIR, (ONE, ONE))
NESTED = rows(PAIR, (((1,),), ((1, 2),)))
EXPECTED = {
    "joint dvn": Expected(
        "DVN", ("all",), (Network(rows(PAIR, (((1,), (1, 2)), ((2,), (1, 2)))), HALVES),)
    ),
    "joint nestednet": Expected("NestedNet", ("all",), (Network(NESTED, ROOT_HALF),)),
    "nestednet_single": Expected(
        "NestedNet, one network a task",
        PAIR,
        tuple(Network(rows([task], (((1,), (1, 2)),)), HALVES, task) for task in PAIR),
    ),
    "packnet": Expected(
        "PackNet+",
        OF_THREE,
        (Network(rows(OF_THREE, (((1,),), ((1, 2),), ((1, 2, 3),))), ROOT_THIRDS),),
    ),
    "baseline": Expected(
        "Baseline",
        (f"{LOW}_WRN-8-1", f"{LOW}_WRN-8-2"),
        tuple(
            Network(rows([LOW], (ONE,)), edges, f"{LOW}_WRN-8-{width}", level=width)
            for width, edges in ((1, WHOLE), (2, TWICE))
        ),
    ),
    "separate": Expected(
        "Separate networks",
        tuple(f"{task}_level{level}" for task in PAIR for level in (1, 2)),
        tuple(
            Network(rows([task], ((units,),)), HALVES, f"{task}_level{level}", level=level)
            for task, own in ((LOW, (1,)), (HIGH, (2,)))
            for level, units in enumerate((own, (1, 2)), start=1)
        ),
    ),
    "dvn": Expected(
        "DVN",
        OF_THREE,
        (
            Network(
                rows(
                    OF_THREE,
                    (
                        ((1,), (1, 2), (1, 2, 3)),
                        ((2,), (1, 2), (1, 2, 3)),
                        ((3,), (2, 3), (1, 2, 3)),
                    ),
                ),
                THIRDS,
            ),
        ),
    ),
    "nestednet": Expected("NestedNet", PAIR, (Network(NESTED, ROOT_HALF),)),
    "lwf": Expected("LwF", (LOW, f"{HIGH}_warmup", HIGH), (Network(SHARED),)),
    "feature_extraction": Expected("Feature Extraction", PAIR, (Network(SHARED),)),
    "da_cnn": Expected("DA-CNN", PAIR, (Network(SHARED, added={f"{HIGH}/level1": (64, 64)}),)),
}


def channels(edges, units):
    return [sum(row[unit] - row[unit - 1] for unit in units) for row in edges]


def kernels(edges, units):
    """Weights of the convolutions after the input layer of a WRN-8, one block a group."""
    before, count = 16, 0
    for group, width in enumerate(channels(edges, units)):
        projected = group > 0 or edges[0][-1] != 16
        count += 9 * before * width + 9 * width * width + projected * before * width
        before = width
    return count


def everything(network, name):
    """Of one output: what inference needs, {input layer, normalization and head}, no kernels."""
    a, b, c = channels(network.edges, network.outputs[name])
    norms = 4 * (16 + a + a + b + b + c + c)  # two in each block, the first on the input layer
    head, width = 0, c
    for added in network.added.get(name, ()):
        head += width * added + added + added  # weights, offsets, learned scale
        width = added
    classes = CLASSES[name.split("/")[0]]
    return 9 * 1 * 16 + norms + head + width * classes + classes


@pytest.mark.parametrize("name", EXPECTED)
def test_results_name_every_output_with_its_units_and_cost(run_of, name):
    run, expected = run_of(name), EXPECTED[name]
    results = json.loads((run.path / "results.json").read_text())
    assert results == json.loads(json.dumps(run.results))
    assert set(results) - {"model_sha256"} == {  # of a network that several stages make
        "schema_version", "scenario", "kind", "method", "title", "seed", "epochs", "backbone",
        "batch_size", "units", "levels", "tasks", "num_networks", "parameters", "parameters_paper",
        "seconds", "training_multiply_adds", "outputs", "stages", "provenance",
    }  # fmt: skip
    assert (results["title"], results["backbone"]) == (expected.title, "WRN-8-1")
    assert results["kind"] == ("sequential" if "sequential" in results["scenario"] else "joint")
    assert results["epochs"] == run.experiment.recipe.epochs
    found = results["outputs"]
    whole = kernels(WHOLE, (1,))
    seen = 0
    for network in expected.networks:
        for output, units in network.outputs.items():
            task = output.split("/")[0]
            entry = found[f"{task}/level{int(output[-1]) + network.level - 1}"]
            assert set(entry) == {
                "correct", "total", "accuracy", "loss", "units", "parameters", "parameters_paper",
                "density", "bytes", "multiply_adds",
            }  # fmt: skip
            assert entry["units"] == list(units)
            assert entry["parameters_paper"] == kernels(network.edges, units)
            all_of_it = kernels(network.edges, units) + everything(network, output)
            assert entry["parameters"] == all_of_it
            assert entry["bytes"] == 4 * all_of_it
            assert entry["density"] == pytest.approx(kernels(network.edges, units) / whole)
            seen += 1
    assert len(found) == seen  # N_O
    tasks = list(dict.fromkeys(output.split("/")[0] for output in found))
    assert list(results["tasks"]) == tasks == [t.name for t in run.experiment.scenario.tasks]
    assert results["levels"] == seen / len(tasks)
    for task in tasks:
        counts = results["tasks"][task]
        assert (counts["classes"], counts["train_images"]) == (CLASSES[task], 100 * CLASSES[task])


@pytest.mark.parametrize("name", EXPECTED)
def test_stored_parameters_count_every_weight_of_every_network_once(run_of, name):
    run, expected = run_of(name), EXPECTED[name]
    assert run.results["num_networks"] == len(expected.networks)
    paper = rest = 0
    for network in expected.networks:
        tasks = {output.split("/")[0] for output in network.outputs}
        paper += kernels(network.edges, sorted({*itertools.chain(*network.outputs.values())}))
        rest += sum(everything(network, output) for output in network.outputs)
        rest -= 9 * 16 * (len(network.outputs) - len(tasks))  # an input layer is a task's
    assert run.results["parameters_paper"] == paper
    assert run.results["parameters"] == paper + rest


@pytest.mark.parametrize("name", EXPECTED)
def test_stages_and_their_folders(run_of, name):
    run, expected = run_of(name), EXPECTED[name]
    records = run.results["stages"]
    assert tuple(record["name"] for record in records) == expected.stages
    for record in records:
        assert set(record) == {
            "scenario", "method", "seed", "name", "learned", "epochs", "seconds", "multiply_adds",
            "backends", "outputs", "model_sha256",
        }  # fmt: skip
        assert (record["scenario"], record["seed"]) == (run.results["scenario"], 0)
    epochs = run.experiment.recipe.epochs
    by_task = {task: 0 for record in records for task in record["learned"]}
    for record in records:
        for task in record["learned"]:
            by_task[task] += record["epochs"]
    networks_a_task = 2 if name in ("baseline", "separate") else 1
    assert set(by_task.values()) == {epochs * networks_a_task}
    assert run.results["seconds"] == pytest.approx(sum(record["seconds"] for record in records))
    assert run.results["seconds"] > 0
    single = len(expected.stages) == 1
    for record in records:
        folder = run.path if single else run.path / record["name"]
        assert json.loads((folder / "stage.json").read_text()) == record
        for file in ("config.gin", "model.keras", "table.png", "history.json"):
            assert (folder / file).exists(), (record["name"], file)
        history = json.loads((folder / "history.json").read_text())
        assert len(history) == record["epochs"]
        for output, reached in record["outputs"].items():
            last = history[-1][f"val_{output}_accuracy"]
            assert reached["accuracy"] == pytest.approx(last, abs=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_tensorboard_has_one_run_that_ends_with_the_results(run_of, name):
    run = run_of(name)
    assert not [*run.path.glob("*/**/events*")]
    events = EventAccumulator(str(run.path), {"tensors": 0}).Reload()
    epochs = sum(stage["epochs"] for stage in run.results["stages"])
    for output, reached in run.results["outputs"].items():
        tag = f"accuracy/{output.rsplit('/', 1)[0]}/{size_name(reached['density'])}"
        points = {event.step: event.tensor_proto.float_val[0] for event in events.Tensors(tag)}
        assert len(points) == len(events.Tensors(tag))
        assert list(points) == sorted(points)
        assert max(points) == epochs
        assert points[epochs] == pytest.approx(reached["accuracy"], abs=1e-6)
    losses = [event.step for event in events.Tensors("train/loss/sum")]
    assert losses == list(range(1, epochs + 1))
    assert "accuracy/average/largest" in events.Tags()["tensors"]


@pytest.mark.parametrize("name", EXPECTED)
def test_stored_networks_reach_the_accuracies_of_the_results(run_of, name):
    run = run_of(name)
    tests = images_to_test_on(run.experiment)
    reached = {}
    for network in EXPECTED[name].networks:
        loaded = run.load(network.folder)
        assert list(loaded.virtual_networks) == list(network.outputs)
        logits = logits_of(loaded, {task: images for task, (images, _) in tests.items()})
        for output, values in logits.items():
            task = output.split("/")[0]
            level = int(output[-1]) + network.level - 1
            reached[f"{task}/level{level}"] = np.mean(values.argmax(1) == tests[task][1])
    assert {n: o["accuracy"] for n, o in run.results["outputs"].items()} == pytest.approx(
        reached, abs=1e-6
    )
    correct = read_correctness(run.path / "correct.json")
    assert {name: np.mean(images) for name, images in correct.items()} == pytest.approx(reached)
    # Something was learned: the best of the outputs is far from guessing.
    assert max(reached.values()) > 0.5
