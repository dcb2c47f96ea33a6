"""Differences of the DVN to the other methods, what is forgotten, and what methods cost."""

import json

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import costs, differences, forgetting, paper
from dvn_tf.comparison.reading import read_comparison


def set_accuracies(folder, method, values):
    """Gives every output of a method the accuracies of its seeds."""
    for seed, value in enumerate(values):
        file = folder / method / f"seed{seed}" / "results.json"
        results = json.loads(file.read_text())
        for output in results["outputs"].values():
            output["accuracy"] = value
        file.write_text(json.dumps(results))


def test_every_method_task_and_level(j1):
    comparison = read_comparison(j1)
    found = differences.differences(comparison, paper.SCENARIOS["J1"])
    assert [(one.level, one.other.key, one.task) for one in found] == [
        (level, method, task)
        for level in (2, 1)
        for method in ("baseline", "packnet", "nestednet")
        for task in ("cifar10", "cifar100", None)
    ]
    for one in found:
        ours, theirs = [], []
        for seed in range(3):
            pair = []
            for method, level in (("dvn", one.level), (one.other.key, 1)):
                file = j1 / method / f"seed{seed}" / "results.json"
                outputs = json.loads(file.read_text())["outputs"]
                tasks = [one.task] if one.task else ["cifar10", "cifar100"]
                names = [f"{task}/level{level}" for task in tasks]
                pair.append(100 * np.mean([outputs[name]["accuracy"] for name in names]))
            ours.append(pair[0])
            theirs.append(pair[1])
        assert one.test.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
        assert one.test.p <= one.corrected <= 1
    # Table 1: 95.1 - 94.8, 77.3 - 76.4 and 86.2 - 85.6.
    assert [one.papers for one in found[:3]] == [
        pytest.approx(0.3), pytest.approx(0.9), pytest.approx(0.6),
    ]  # fmt: skip
    margins = differences.margins(found)
    assert "0.10 to 2.00 points" in margins  # PackNet+: 94.6 - 94.5, and 77.3 - 75.3
    halves = [one.test.difference.half for one in found]
    within = sum(abs(one.papers) <= half for one, half in zip(found, halves, strict=True))
    assert f"reach {min(halves):.2f} to {max(halves):.2f} points" in margins
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
    verdicts = {
        one.other.key: one.verdict for one in differences.differences(read_comparison(folder), None)
    }
    assert verdicts == {
        "packnet": "DVN better, significant",
        "nestednet": "DVN worse, significant",
        "baseline": "not significant",
    }


def test_words_go_by_the_corrected_p(made, tmp_path):
    methods = {key: made.JOINT[key] for key in ("packnet", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    set_accuracies(folder, "dvn", [0.90, 0.91, 0.92])
    set_accuracies(folder, "packnet", [0.88, 0.8925, 0.896])  # p = 0.011, six tests
    one = differences.differences(read_comparison(folder), None)[0]
    assert one.test.p < 0.05 <= one.corrected
    assert one.verdict == "not significant"


def test_only_shared_seeds_are_paired(made, tmp_path):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(0, 1, 2))
    made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]}, seeds=(2, 1, 7))
    made.write_runs(tmp_path, "J1", "joint", {"nestednet": made.JOINT["nestednet"]}, seeds=(2,))
    made.write_runs(tmp_path, "J1", "joint", {"baseline": made.JOINT["baseline"]}, seeds=(5,))
    comparison = read_comparison(tmp_path)
    found = differences.differences(comparison, None)
    words = {one.other.key: one for one in found}
    assert words["packnet"].test.difference.count == 2
    assert words["nestednet"].verdict == "one seed: nothing can be said"
    assert words["baseline"].verdict == "no seed in common: nothing can be said"
    _, rows = differences.table(comparison, found)
    assert {row[0]: row[-1] for row in rows}["Baseline"] == words["baseline"].verdict
    assert "no seed in common" in differences.sentence(words["baseline"])
    assert differences.sentence(words["nestednet"]).count("one seed") == 1


def test_without_the_dvn_nothing_is_tested(made, tmp_path):
    folder = made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]})
    assert differences.differences(read_comparison(folder), None) == []


def test_forgetting(s1):
    comparison = read_comparison(s1)
    found = forgetting.changes(comparison)
    assert {one.task for one in found} == {"classes_0-4"}
    for one in found:
        # The fixture puts every old task two points higher after its own stage, at level 1.
        level_1 = one.method.accuracies("classes_0-4", 1)
        np.testing.assert_allclose(one.before, level_1 + 2)
        np.testing.assert_allclose(one.after, one.method.accuracies("classes_0-4", one.position))
    head, rows = forgetting.table(comparison, found)
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
    head, rows = costs.table(read_comparison(folder))
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
    head, [row] = costs.table(read_comparison(folder))
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
    found = [one for one in forgetting.changes(read_comparison(s1)) if one.method.key == "dvn"]
    assert [list(one.before) for one in found] == [[50, 50, 50], [75, 75, 78]]


def test_forgetting_without_measurements(s1):
    file = s1 / "lwf" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    results["stages"][0]["outputs"] = {}
    file.write_text(json.dumps(results))
    assert "lwf" not in {one.method.key for one in forgetting.changes(read_comparison(s1))}
