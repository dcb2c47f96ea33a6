"""Differences of the DVN to the other methods, what is forgotten, and what methods cost."""

import json
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import costs, differences, forgetting
from dvn_tf.comparison.comparison import AVERAGE, read_comparison
from dvn_tf.comparison.report import write_report

OUTPUTS = ("cifar10/level1", "cifar10/level2", "cifar100/level1", "cifar100/level2")


@pytest.fixture
def set_counts(made):
    """Gives every output of a method as many correct images as its seed has in a list."""

    def set_counts(folder, method, counts):
        for seed, count in enumerate(counts):
            file = folder / method / f"seed{seed}" / "results.json"
            made.set_correct(file, dict.fromkeys(OUTPUTS, count))

    return set_counts


def test_every_method_task_and_level(j1):
    found = differences.differences(read_comparison(j1))
    titles = {"Task 1 (cifar10)": "cifar10", "Task 2 (cifar100)": "cifar100", AVERAGE: None}
    methods = ("baseline", "packnet", "nestednet")
    compared = found[["primary", "level", "method", "title"]]
    assert list(compared.itertuples(index=False, name=None)) == [
        *((True, 2, method, AVERAGE) for method in methods),
        *((False, 2, method, title) for method in methods for title in titles if titles[title]),
        *((False, 1, method, title) for method in methods for title in titles),
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
        test = stats.ttest_rel(ours, theirs)
        tests = 3 if one.primary else 1
        low, high = test.confidence_interval(1 - 0.05 / tests)
        assert (one.mean - one.half, one.mean + one.half) == pytest.approx((low, high))
        assert one.seeds == (0, 1, 2)
        if one.primary:
            assert one.p == pytest.approx(min(1, 3 * test.pvalue))
        else:
            assert np.isnan(one.p) and one.verdict == ""
    # Table 1: 86.2 - 85.6, 95.1 - 94.8 and 77.3 - 76.4.
    papers = found[found["method"].eq("baseline") & found["level"].eq(2)]["paper"]
    assert list(papers) == [pytest.approx(0.6), pytest.approx(0.3), pytest.approx(0.9)]
    _, margins = differences.margins(found)
    assert "0.10 to 2.00 points" in margins  # PackNet+: 94.6 - 94.5, and 77.3 - 75.3
    assert f"reach {min(found.half):.2f} to {max(found.half):.2f} points" in margins
    within = sum(abs(one.paper) <= one.half for one in found.itertuples())
    assert f"{within} of 18" in margins


def test_plain_words(made, tmp_path, set_counts):
    methods = {key: made.JOINT[key] for key in ("packnet", "nestednet", "baseline", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods, seeds=range(6))
    dvn = [9000, 9100, 9050, 9150, 9020, 9110]
    set_counts(folder, "dvn", dvn)
    noise = [10, -10, 5, 0, 2, -3]
    set_counts(folder, "packnet", [v - 500 + n for v, n in zip(dvn, noise, strict=True)])
    set_counts(folder, "nestednet", [v + 500 + n for v, n in zip(dvn, noise, strict=True)])
    set_counts(folder, "baseline", [v + 10 * n for v, n in zip(dvn, noise, strict=True)])
    comparison = read_comparison(folder)
    found = differences.differences(comparison)
    primary = found[found["primary"]]
    assert dict(zip(primary["method"], primary["verdict"], strict=True)) == {
        "packnet": "DVN better, significant",
        "nestednet": "DVN worse, significant",
        "baseline": "not significant (undecided)",
    }
    texts = differences.sentences(comparison, found)
    assert texts[1].startswith("DVN (full) against PackNet+ (50 %, full): +4.99 ± 0.10 points (6 ")
    note = differences.interval_note(found)
    assert "Each is at 98.33 %, so that all 3 hold together at 95 %" in note
    assert "Undecided does not mean equal" in note


def test_the_headline_is_that_of_its_interval(made, tmp_path, set_counts):
    # By itself the difference would be significant, and its uncorrected interval excludes 0.
    methods = {key: made.JOINT[key] for key in ("packnet", "nestednet", "baseline", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    set_counts(folder, "dvn", [9000, 9100, 9200])
    for method in ("packnet", "nestednet", "baseline"):
        set_counts(folder, method, [8800, 8840, 8860])
    comparison = read_comparison(folder)
    one = differences.differences(comparison).iloc[0]
    alone = stats.ttest_1samp([2.0, 2.6, 3.4], 0)
    assert alone.pvalue < 0.05 < 3 * alone.pvalue == pytest.approx(one["p"])
    assert one["mean"] < one["half"]
    assert one["verdict"] == differences.UNDECIDED
    # Against a single method there is nothing to correct.
    for method in ("packnet", "nestednet"):
        for file in (folder / method).rglob("results.json"):
            file.unlink()
    one = differences.differences(read_comparison(folder)).iloc[0]
    assert one["p"] == pytest.approx(alone.pvalue) and one["mean"] > one["half"]
    assert one["verdict"] == "DVN better, significant"


def test_single_tasks_and_the_lowest_level_get_no_verdict(made, tmp_path, set_counts):
    methods = {key: made.JOINT[key] for key in ("packnet", "dvn")}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    set_counts(folder, "dvn", [9000, 9101, 9050])
    set_counts(folder, "packnet", [8000, 8100, 8050])
    comparison = read_comparison(folder)
    found = differences.differences(comparison)
    head, rows = differences.exploratory_table(comparison, found)
    assert len(rows) == 2 + 3 and "verdict" not in head and "p" not in head
    assert rows[0][4] == "+10.00 ± 0.01"
    assert "significant" not in str(rows)
    assert "not corrected for there being 5 of them" in differences.exploratory_note(found)


def old_file(made, folder, method, seed, outputs):
    """A run whose accuracies are float32's, as dvn_tf 0.1 wrote them."""
    tasks = {name: task | {"test_images": 180} for name, task in made.CIFAR.items()}
    results = made.results_of("J1", "joint", method, made.JOINT[method], seed, tasks)
    for place in (results, *results["stages"]):
        for name, correct in outputs.items():
            if name in place["outputs"]:
                place["outputs"][name] |= made.counted(correct, 180)
    made.write_run(folder / method / f"seed{seed}", made.without_counts(results))


@pytest.mark.parametrize("seeds", [2, 3])
def test_the_same_image_is_the_same_difference(made, tmp_path, seeds):
    # One image of 180, off different counts: in float32 0.00555551, 0.00555557, 0.00555551.
    for seed, correct in enumerate((170, 60, 179)[:seeds]):
        counts = dict.fromkeys(OUTPUTS, correct)
        old_file(made, tmp_path, "dvn", seed, counts)
        old_file(made, tmp_path, "packnet", seed, dict.fromkeys(OUTPUTS, correct - 1))
    read = [json.loads((tmp_path / method / f"seed{seed}" / "results.json").read_text())
            for method in ("dvn", "packnet") for seed in range(seeds)]  # fmt: skip
    shares = np.array([results["outputs"]["cifar10/level1"]["accuracy"] for results in read])
    assert len({*(shares[:seeds] - shares[seeds:])}) > 1  # float32's differences are not equal
    comparison = read_comparison(tmp_path)
    points = comparison.exact_accuracies.loc[("dvn", 2)] - comparison.exact_accuracies.loc[
        ("packnet", 1)
    ]  # fmt: skip
    assert {*points.to_numpy().ravel()} == {Fraction(100, 180)}
    write_report(tmp_path)
    text = (tmp_path / "report" / "report.md").read_text()
    few = "+0.56, +0.56 points (2 seeds: 0, 1): no verdict (fewer than three seeds)"
    same = "+0.56 points (every seed) (3 seeds: 0, 1, 2): no verdict (the same difference in every"
    assert (few if seeds == 2 else same) in text
    assert "better" not in text and "worse" not in text
    assert "± 0.00" not in text and "< 0.001" not in text


def test_drawn_counts_are_read_exactly(made, tmp_path):
    generator = np.random.default_rng(8)
    for seed in range(12):
        counts = dict(zip(OUTPUTS, generator.integers(0, 181, 4).tolist(), strict=True))
        old_file(made, tmp_path, "dvn", seed, counts)
        outputs = read_comparison(tmp_path / "dvn" / f"seed{seed}").outputs
        names = outputs["task"] + "/level" + outputs["level"].astype(str)
        assert dict(zip(names, outputs["correct"], strict=True)) == counts
        assert (outputs["total"] == 180).all()
        assert (outputs["accuracy"] == outputs["correct"] / 180).all()


def test_only_shared_seeds_are_paired(made, tmp_path):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(0, 1, 2, 3))
    made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]}, seeds=(3, 1, 7, 0))
    made.write_runs(tmp_path, "J1", "joint", {"nestednet": made.JOINT["nestednet"]}, seeds=(2, 1))
    made.write_runs(tmp_path, "J1", "joint", {"baseline": made.JOINT["baseline"]}, seeds=(5,))
    comparison = read_comparison(tmp_path)
    found = differences.differences(comparison)
    words = found.drop_duplicates("method").set_index("method")
    assert words["seeds"].to_dict() == {
        "baseline": (), "packnet": (0, 1, 3), "nestednet": (1, 2),
    }  # fmt: skip
    assert words.at["nestednet", "verdict"] == "no verdict (fewer than three seeds)"
    assert words.at["baseline", "verdict"] == "no verdict (no seed in common)"
    head, rows = differences.primary_table(comparison, found)
    by_title = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    nestednet = words.at["nestednet", "difference"].values
    # Only one test is possible, so there is nothing to correct.
    assert "The interval is Student's at 95 %" in differences.interval_note(found)
    assert "± " in by_title["PackNet+"]["difference, points"]
    assert by_title["NestedNet"] | {"paper (N = 1)": ""} == {
        "DVN against": "NestedNet",
        "sizes": "full : 50 %, full",
        "difference, points": ", ".join(f"{value:+.2f}" for value in nestednet),
        "seeds": "1, 2",
        "paper (N = 1)": "",
        "p": "—",
        "verdict": "no verdict (fewer than three seeds)",
    }
    assert by_title["Baseline"]["difference, points"] == "—"
    assert by_title["Baseline"]["seeds"] == "none"
    baseline, *_ = differences.sentences(comparison, found)
    assert baseline == "DVN (full) against Baseline (full): no verdict (no seed in common)"


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
        level_1 = comparison.exact_accuracies.loc[(method, 1), title]
        assert list(seeds["before"]) == list(level_1 + 2)
        assert list(seeds["after"]) == list(comparison.exact_accuracies.loc[(method, level), title])
    head, rows = forgetting.forgetting_table(comparison, found)
    assert head[2:] == ["after its own stage", "at the end", "change, points"]
    by_title = {row[0]: row for row in rows}
    assert by_title["LwF (full)"][-1] == "-2.00 (every seed)"
    assert set(by_title) == {
        "Feature Extraction (full)", "DA-CNN (full)", "LwF (full)", "NestedNet (25 %)",
        "DVN (25 %)", "DVN (full)",
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
        assert cells[title][7] == f"{4 * parameters / 1e6:.1f} MB"
        assert cells[title][8] == f"{same_outputs / 1e6:.1f} MB"
    assert cells["DVN"][:4] == ["1", "4", "4", f"{made.SIZE:,}"]
    assert cells["NestedNet, one network a task"][:3] == ["2", "2", "4"]
    assert cells["Baseline"][:4] == ["2", "1", "2", f"{2 * made.SIZE:,}"]
    assert cells["DVN"][5] == "1 h 01 min"  # the mean of 3600, 3660 and 3720 seconds
    # 10^9 multiply-adds an output and image, three passes of 50,000 images in 4 epochs.
    assert [cells[title][6] for title in ("DVN", "PackNet+")] == ["2.4 P", "1.2 P"]


def test_costs_without_the_dvn(made, tmp_path):
    folder = made.write_runs(tmp_path, "J1", "joint", {"packnet": made.JOINT["packnet"]})
    head, [row] = costs.cost_table(read_comparison(folder))
    assert head[-1] == "storage"
    assert len(row) == len(head)


def test_a_level_that_was_there_is_compared_to_itself(made, s1):
    for seed in range(3):
        file = s1 / "dvn" / f"seed{seed}" / "results.json"
        results = json.loads(file.read_text())
        results["stages"][0]["outputs"] = {
            "classes_0-4/level1": made.counted(2500, 5000) | {"loss": 1.0},
            "classes_0-4/level2": made.counted(3900 if seed == 2 else 3750, 5000) | {"loss": 1.0},
        }
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
    warm_up = {"cifar100/level1": made.counted(1000, 10_000) | {"loss": 4.0}}
    results["stages"].insert(1, second | {"name": "task2_warmup", "outputs": warm_up})
    made.write_run(tmp_path / "lwf" / "seed0", results)
    found = forgetting.changes(read_comparison(tmp_path)).set_index("title")
    after_stage = second["outputs"]["cifar100/level1"]["correct"]
    assert found.at["Task 2 (cifar100)", "before"] == Fraction(after_stage, 100)
