"""Differences of the DVN to the other methods, what is forgotten, and what methods cost."""

import json

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import costs, differences, forgetting
from dvn_tf.comparison.comparison import AVERAGE, read_comparison


def set_accuracies(folder, method, values):
    """Gives every output of a method the accuracies of its seeds."""
    for seed, value in enumerate(values):
        file = folder / method / f"seed{seed}" / "results.json"
        results = json.loads(file.read_text())
        for output in results["outputs"].values():
            output["accuracy"] = value
        file.write_text(json.dumps(results))


def test_every_method_task_and_level(j1):
    found = differences.differences(read_comparison(j1))
    titles = {"Task 1 (cifar10)": "cifar10", "Task 2 (cifar100)": "cifar100", AVERAGE: None}
    assert list(found[["level", "method", "title"]].itertuples(index=False, name=None)) == [
        (level, method, title)
        for level in (2, 1)
        for method in ("baseline", "packnet", "nestednet")
        for title in titles
    ]
    for one in found.itertuples():
        ours, theirs = [], []
        for seed in range(3):
            pair = []
            for method, level in (("dvn", one.level), (one.method, 1)):
                file = j1 / method / f"seed{seed}" / "results.json"
                outputs = json.loads(file.read_text())["outputs"]
                task = titles[one.title]
                tasks = [task] if task else ["cifar10", "cifar100"]
                names = [f"{task}/level{level}" for task in tasks]
                pair.append(100 * np.mean([outputs[name]["accuracy"] for name in names]))
            ours.append(pair[0])
            theirs.append(pair[1])
        assert one.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
        assert one.p <= one.p_holm <= 1
        assert one.seeds == 3
    # Table 1: 95.1 - 94.8, 77.3 - 76.4 and 86.2 - 85.6.
    assert list(found["paper"][:3]) == [
        pytest.approx(0.3), pytest.approx(0.9), pytest.approx(0.6),
    ]  # fmt: skip
    margins = differences.margins(found)
    assert "0.10 to 2.00 points" in margins  # PackNet+: 94.6 - 94.5, and 77.3 - 75.3
    assert f"reach {min(found.half):.2f} to {max(found.half):.2f} points" in margins
    within = sum(abs(one.paper) <= one.half for one in found.itertuples())
    assert f"{within} of 18" in margins


def test_plain_words(made, tmp_path):
    methods = {key: made.JOINT[key] for key in ("packnet", "nestednet", "baseline", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods, seeds=range(6))
    dvn = [0.90, 0.91, 0.905, 0.915, 0.902, 0.911]
    set_accuracies(folder, "dvn", dvn)
    noise = [0.001, -0.001, 0.0005, 0.0, 0.0002, -0.0003]
    set_accuracies(folder, "packnet", [v - 0.05 + n for v, n in zip(dvn, noise, strict=True)])
    set_accuracies(folder, "nestednet", [v + 0.05 + n for v, n in zip(dvn, noise, strict=True)])
    set_accuracies(folder, "baseline", [v + 10 * n for v, n in zip(dvn, noise, strict=True)])
    found = differences.differences(read_comparison(folder))
    assert dict(zip(found["method"], found["verdict"], strict=True)) == {
        "packnet": "DVN better, significant",
        "nestednet": "DVN worse, significant",
        "baseline": "not significant",
    }


def test_words_go_by_the_corrected_p(made, tmp_path):
    methods = {key: made.JOINT[key] for key in ("packnet", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    set_accuracies(folder, "dvn", [0.90, 0.91, 0.92])
    set_accuracies(folder, "packnet", [0.88, 0.8925, 0.896])  # p = 0.011, six tests
    one = differences.differences(read_comparison(folder)).iloc[0]
    assert one["p"] < 0.05 <= one["p_holm"]
    assert one["verdict"] == "not significant"


def test_only_shared_seeds_are_paired(made, tmp_path):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(0, 1, 2))
    made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]}, seeds=(2, 1, 7))
    made.write_runs(tmp_path, "J1", "joint", {"nestednet": made.JOINT["nestednet"]}, seeds=(2,))
    made.write_runs(tmp_path, "J1", "joint", {"baseline": made.JOINT["baseline"]}, seeds=(5,))
    comparison = read_comparison(tmp_path)
    found = differences.differences(comparison)
    words = found.drop_duplicates("method").set_index("method")
    assert words.at["packnet", "seeds"] == 2
    assert words.at["nestednet", "verdict"] == "one seed: nothing can be said"
    assert words.at["baseline", "verdict"] == "no seed in common: nothing can be said"
    _, rows = differences.difference_table(comparison, found)
    by_title = {row[0]: row for row in rows}
    assert by_title["Baseline"][-1] == words.at["baseline", "verdict"]
    assert by_title["Baseline"][-4:-1] == ["0", "—", "—"]
    assert by_title["NestedNet"][-4:-1] == ["1", "—", "—"]
    baseline, _, nestednet, *_ = differences.sentences(comparison, found)
    assert "Baseline: no seed in common" in baseline
    assert "NestedNet: " in nestednet and nestednet.count("one seed") == 1
    assert "1 seed" not in nestednet


def test_without_the_dvn_nothing_is_tested(made, tmp_path):
    folder = made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]})
    assert differences.differences(read_comparison(folder)).empty


def test_forgetting(s1):
    comparison = read_comparison(s1)
    found = forgetting.changes(comparison)
    title = "Task 1 (classes_0-4)"
    assert set(found["title"]) == {title}
    for (method, level), seeds in found.groupby(["method", "level"]):
        # The fixture puts every old task two points higher after its own stage, at level 1.
        level_1 = comparison.accuracies.loc[(method, 1), title]
        np.testing.assert_allclose(seeds["before"], level_1 + 2)
        np.testing.assert_allclose(
            seeds["after"], comparison.accuracies.loc[(method, level), title]
        )
    head, rows = forgetting.forgetting_table(comparison, found)
    assert head[2:] == ["after its own stage", "at the end", "change, points"]
    by_title = {row[0]: row for row in rows}
    assert by_title["LwF"][-1] == "-2.00 ± 0.00"
    assert set(by_title) == {
        "Feature Extraction", "DA-CNN", "LwF", "NestedNet", "DVN, level 1 (25 %)",
        "DVN, level 2 (100 %)",
    }  # fmt: skip


def test_costs(made, tmp_path):
    single = {(task, level): d for task in (0, 1) for level, d in ((1, 0.25), (2, 1.0))}
    methods = made.JOINT | {"nestednet_single": ("NestedNet, one network a task", 2, single)}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    head, rows = costs.cost_table(read_comparison(folder))
    assert head[-1] == "storage for 4 outputs"
    cells = {row[0]: row[1:] for row in rows}
    one = made.SIZE + 100_000  # what the fixture gives a network
    # A network for each of two levels of two tasks, of the size that the DVN's outputs have.
    small, large = (4 * (round(density * made.SIZE) + 20_000) for density in (0.25, 1.0))
    megabytes = {
        "Baseline": (2 * one, 2 * (small + large)),
        "PackNet+": (one, 2 * 4 * one),
        "NestedNet": (one, 2 * 4 * one),
        "NestedNet, one network a task": (2 * one, 2 * 4 * one),
        "DVN": (one, 4 * one),
    }
    for title, (parameters, same_outputs) in megabytes.items():
        assert cells[title][4] == f"{parameters:,}"
        assert cells[title][6] == f"{4 * parameters / 1e6:.1f} MB"
        assert cells[title][7] == f"{same_outputs / 1e6:.1f} MB"
    assert cells["DVN"][:4] == ["1", "4", "4", f"{made.SIZE:,}"]
    assert cells["NestedNet, one network a task"][:3] == ["2", "2", "4"]
    assert cells["Baseline"][:4] == ["2", "1", "2", f"{2 * made.SIZE:,}"]
    assert cells["DVN"][5] == "1 h 01 min"  # the mean of 3600, 3660 and 3720 seconds


def test_costs_without_the_dvn(made, tmp_path):
    folder = made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]})
    head, [row] = costs.cost_table(read_comparison(folder))
    assert head[-1] == "storage"
    assert len(row) == len(head)


def test_a_level_that_was_there_is_compared_to_itself(s1):
    for seed in range(3):
        file = s1 / "dvn" / f"seed{seed}" / "results.json"
        results = json.loads(file.read_text())
        results["stages"][0]["outputs"] = {
            "classes_0-4/level1": {"accuracy": 0.5, "loss": 1.0},
            "classes_0-4/level2": {"accuracy": 0.75, "loss": 1.0},
        }
        if seed == 2:
            results["stages"][0]["outputs"]["classes_0-4/level2"]["accuracy"] = 0.78
        file.write_text(json.dumps(results))
    found = forgetting.changes(read_comparison(s1)).query("method == 'dvn'").groupby("level")
    assert [list(seeds["before"]) for _, seeds in found] == [[50, 50, 50], [75, 75, 78]]


def test_forgetting_without_measurements(s1):
    file = s1 / "lwf" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    results["stages"][0]["outputs"] = {}
    file.write_text(json.dumps(results))
    found = forgetting.changes(read_comparison(s1))
    assert "lwf" not in set(found["method"])
    assert len(found) == 5 * 3  # the other methods' outputs, the DVN's at two levels


def test_a_warm_up_is_not_the_end_of_a_task_s_stage(made, tmp_path):
    tasks = made.CIFAR | {"third": made.CIFAR["cifar10"]}
    spec = ("LwF", 1, {(0, 1): 1.0, (1, 1): 1.0, (2, 1): 1.0})
    results = made.results_of("three", "sequential", "lwf", spec, 0, tasks)
    second = results["stages"][1]
    warm_up = {"cifar100/level1": {"accuracy": 0.1, "loss": 4.0}}
    results["stages"].insert(1, second | {"name": "task2_warmup", "outputs": warm_up})
    made.write_run(tmp_path / "lwf" / "seed0", results)
    found = forgetting.changes(read_comparison(tmp_path)).set_index("title")
    after_stage = second["outputs"]["cifar100/level1"]["accuracy"]
    assert found.at["Task 2 (cifar100)", "before"] == pytest.approx(100 * after_stage)
