"""Which runs are found, and what is refused: one line, and the report of before stays."""

import json
import shutil

import pytest

import dvn_tf
from dvn_tf.comparison.comparison import read_comparison

OUTPUT = {
    "accuracy": 0.9,
    "correct": 9000,
    "total": 10_000,
    "loss": 0.4,
    "parameters": 8,
    "parameters_paper": 4,
}
OUTPUT |= {"density": 0.5, "bytes": 32}


def change(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def seeds_of(comparison):
    return comparison.methods.at["dvn", "seeds"]


def test_runs_by_method_and_seed(j1):
    comparison = read_comparison(j1)
    assert list(comparison.methods.index) == ["baseline", "packnet", "nestednet", "dvn"]
    assert seeds_of(comparison) == (0, 1, 2)
    assert comparison.scenario == "J1" and not comparison.sequential
    assert comparison.unfinished == ()
    assert comparison.methods.at["dvn", "outputs_of_a_network"] == 4
    assert comparison.methods.at["baseline", "outputs_of_a_network"] == 1


def test_unknown_methods_stand_before_the_dvn(made, tmp_path):
    methods = made.JOINT | {"zoo": ("Zoo", 1, made.JOINT["packnet"][2])}
    made.write_runs(tmp_path, "J1", "joint", methods)
    found = read_comparison(tmp_path).methods
    assert list(found.index)[-2:] == ["zoo", "dvn"]
    assert found.at["zoo", "title"] == "Zoo"


def test_variants_follow_their_method(made, tmp_path):
    packnet, dvn = made.JOINT["packnet"], made.JOINT["dvn"]
    methods = made.JOINT | {
        "dvn_soft_targets": ("DVN, soft targets", *dvn[1:]),
        "dvn_causal": ("DVN, causal", *dvn[1:]),
        "packnet_slow": ("PackNet+, slow", *packnet[1:]),
        "separate": ("Separate networks", 4, dvn[2]),
        "nestednet_single": ("NestedNet, one network a task", 2, dvn[2]),
    }
    found = read_comparison(made.write_runs(tmp_path, "J1", "joint", methods, seeds=(0,)))
    assert list(found.methods.index) == [
        "baseline", "packnet", "packnet_slow", "nestednet", "nestednet_single", "separate", "dvn",
        "dvn_causal", "dvn_soft_targets",
    ]  # fmt: skip
    assert found.variants == ["dvn_causal", "dvn_soft_targets"]
    assert found.has_dvn and found.has_separate


def test_methods_may_differ_in_epochs(j1):
    for seed in range(3):
        change(j1 / "nestednet" / f"seed{seed}" / "results.json", epochs=7)
    assert dict(read_comparison(j1).methods["epochs"]) == {
        "baseline": 4, "packnet": 4, "nestednet": 7, "dvn": 4,
    }  # fmt: skip


def test_seeds_are_in_the_order_of_numbers(made, tmp_path):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(10, 9))
    assert seeds_of(read_comparison(tmp_path)) == (9, 10)


def test_unfinished_runs_without_their_stages(j1):
    (j1 / "packnet" / "seed1" / "results.json").unlink()  # its stages have a config.gin, too
    (j1 / "dvn" / "seed2" / "results.json").unlink()
    comparison = read_comparison(j1)
    assert comparison.unfinished == (j1 / "dvn" / "seed2", j1 / "packnet" / "seed1")
    assert seeds_of(comparison) == (0, 1)


def test_hidden_folders_are_not_runs(j1):
    shutil.copytree(j1 / "dvn", j1 / ".old-dvn")
    assert seeds_of(read_comparison(j1)) == (0, 1, 2)


def test_a_single_run_may_be_named(j1):
    assert seeds_of(read_comparison(j1 / "dvn" / "seed0")) == (0,)


def no_folder(runs):
    shutil.rmtree(runs)


def no_results(runs):
    for file in runs.rglob("results.json"):
        file.unlink()


def two_scenarios(runs):
    for seed in range(3):
        change(runs / "packnet" / f"seed{seed}" / "results.json", scenario="S1")


def same_seed_twice(runs):
    shutil.copytree(runs / "dvn" / "seed1", runs / "again")


def damaged(runs):
    file = runs / "dvn" / "seed1" / "results.json"
    file.write_text(file.read_text()[:100])


def without_a_key(runs):
    file = runs / "dvn" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    del results["num_networks"]
    file.write_text(json.dumps(results))


def without_an_accuracy(runs):
    file = runs / "dvn" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    del results["outputs"]["cifar100/level2"]["accuracy"]
    file.write_text(json.dumps(results))


def other_epochs(runs):
    change(runs / "nestednet" / "seed2" / "results.json", epochs=7)


def other_images(runs):
    file = runs / "nestednet" / "seed2" / "results.json"
    tasks = json.loads(file.read_text())["tasks"]
    tasks["cifar100"]["train_images"] = 5_000
    change(file, tasks=tasks)


def damaged_history(runs):
    (runs / "dvn" / "seed2" / "history.json").write_text("{")


@pytest.mark.parametrize(
    "spoil, parts",
    [
        (no_folder, ["there is no folder", "J1"]),
        (no_results, ["no finished run", "12 not finished", "train first"]),
        (two_scenarios, ["several scenarios (J1, S1)", "--runs="]),
        (same_seed_twice, ["dvn with seed 1 is there twice", "J1/again", "J1/dvn/seed1"]),
        (damaged, ["J1/dvn/seed1/results.json is damaged"]),
        (without_a_key, ["J1/dvn/seed1/results.json", "no 'num_networks'"]),
        (without_an_accuracy, ["dvn/seed1/results.json", "no 'outputs.cifar100/level2.accuracy'"]),
        (other_epochs, ["J1/nestednet/seed2", "J1/nestednet/seed0", "epochs (4; 7)"]),
        (other_images, ["J1/nestednet/seed2", "train_images of cifar100 (50000; 5000)"]),
        (damaged_history, ["J1/dvn/seed2/history.json is damaged"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_runs(run_forked, j1, tmp_path, spoil, parts):
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.md").write_text("the report of before")
    spoil(j1)
    done = run_forked("experiments.compare", f"--runs={j1}", f"--report_dir={report}")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("error: "), done.stderr
    for part in parts:
        assert part in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir() if path != j1] == ["report"]
    assert [path.name for path in report.iterdir()] == ["report.md"]
    assert (report / "report.md").read_text() == "the report of before"
    assert not (j1 / "comparison").exists()


@pytest.mark.parametrize("flag", [(), ("--runs=",), ("--runs=/no/such/folder",)])
def test_no_runs_to_read(run_forked, flag):
    done = run_forked("experiments.compare", *flag)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert "--runs" in done.stderr


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("kind", "both", "'kind' is 'both'"),
        ("seed", "0", "'seed' is '0'"),
        ("epochs", True, "'epochs' is True"),
        ("tasks", [], "'tasks' is \\[\\]"),
        ("tasks", {}, "'tasks' is {}"),
        ("outputs", {"dogs/level1": OUTPUT}, "'outputs.dogs/level1' is of no task and level"),
        ("outputs", {}, "'outputs' has none of task 'cifar10'"),
        ("stages", [1], "'stages.1' is 1"),
        ("stages", [{"name": "all"}], "no 'stages.1.epochs'"),
        ("outputs", {"cifar10/level1": OUTPUT | {"accuracy": 1.5}}, "level1.accuracy' is 1.5"),
        ("outputs", {"cifar10/level1": OUTPUT | {"density": None}}, "level1.density' is None"),
        ("outputs", {"cifar10/level1": OUTPUT | {"correct": 0.9}}, "level1.correct' is 0.9"),
        ("provenance", {}, "no 'provenance\\."),
    ],
)
def test_values_that_cannot_be(j1, key, value, message):
    change(j1 / "dvn" / "seed1" / "results.json", **{key: value})
    with pytest.raises(dvn_tf.UserError, match=message):
        read_comparison(j1)


@pytest.mark.parametrize(
    "measured, message",
    [
        ({"correct": 1}, "level2' has 1 of 10000 correct and accuracy"),
        ({"accuracy": 0.5, "correct": -5, "total": -10}, "level2' has -5 of -10 correct"),
        ({"accuracy": 1.0, "correct": 9, "total": 9}, "level2.total' is 9, .* 10000 test images"),
    ],
)
@pytest.mark.parametrize("place", ["outputs", "stages"])
def test_counts_that_cannot_be(j1, place, measured, message):
    file = j1 / "dvn" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    outputs = results["outputs"] if place == "outputs" else results["stages"][0]["outputs"]
    outputs["cifar100/level2"] |= measured
    file.write_text(json.dumps(results))
    with pytest.raises(dvn_tf.UserError, match=f"{place}.*cifar100/{message}"):
        read_comparison(j1)


@pytest.mark.parametrize("text", ["[]", "3", "null", ""])
def test_json_of_something_else(j1, text):
    (j1 / "dvn" / "seed1" / "results.json").write_text(text)
    with pytest.raises(dvn_tf.UserError, match=r"results\.json is"):
        read_comparison(j1)


@pytest.mark.parametrize(
    "method, changes, message",
    [
        ("nestednet", {"backbone": "WRN-14-2"}, "differ in backbone \\(WRN-32-4; WRN-14-2\\)"),
        ("nestednet", {"batch_size": 64}, "differ in batch_size"),
        ("nestednet", {"kind": "sequential"}, "differ in kind"),
        ("dvn", {"units": 4}, "seed0 and .*dvn/seed2 differ in units \\(2; 4\\)"),
        ("dvn", {"parameters": 5}, "differ in parameters"),
    ],
)
def test_mixed_settings(j1, method, changes, message):
    change(j1 / method / "seed2" / "results.json", **changes)
    with pytest.raises(dvn_tf.UserError, match=message):
        read_comparison(j1)


def test_other_outputs_in_one_method(j1):
    file = j1 / "dvn" / "seed2" / "results.json"
    outputs = json.loads(file.read_text())["outputs"]
    change(file, outputs={k: v for k, v in outputs.items() if k != "cifar10/level2"})
    with pytest.raises(dvn_tf.UserError, match="differ in outputs"):
        read_comparison(j1)


def test_the_hint_for_several_scenarios_names_a_folder_of_one(made, tmp_path):
    made.write_runs(tmp_path / "runs" / "J1", "J1", "joint", made.JOINT)
    made.write_runs(tmp_path / "runs" / "S1", "S1", "sequential", made.SEQUENTIAL)
    with pytest.raises(dvn_tf.UserError, match=f"--runs={tmp_path / 'runs' / 'J1'}$"):
        read_comparison(tmp_path / "runs")
    assert read_comparison(tmp_path / "runs" / "S1").sequential
