"""The cells of Tables 1, 3, 4 and 5, against NumPy and SciPy and the paper's own pages."""

import json
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import markdown, paper, tables
from dvn_tf.comparison.comparison import read_comparison


def accuracies(folder, method, *names):
    """Per cent of each seed, the exact mean over some outputs, straight from the files."""
    values = []
    for file in sorted((folder / method).glob("seed*/results.json")):
        outputs = [json.loads(file.read_text())["outputs"][name] for name in names]
        shares = [Fraction(output["correct"], output["total"]) for output in outputs]
        values.append(100 * sum(shares) / len(shares))
    return values


def cell(values, papers=None):
    error = stats.sem(np.array(values, float))
    low, high = stats.t.interval(0.95, len(values) - 1, 0, error)
    text = f"{float(sum(values) / len(values)):.2f} ± {(high - low) / 2:.2f}"
    return text + (f" (paper {papers})" if papers else "")


def made_table(folder):
    return tables.accuracy_table(read_comparison(folder))


def test_table_1(j1):
    head, rows = made_table(j1)
    assert head == [
        "Method", "N_O", "N_T", "Task 1 (cifar10)", "Task 2 (cifar100)", "Average", "seeds",
    ]  # fmt: skip
    shared = "7.4M (paper 7.4M)"
    printed = [  # Table 1, with each method's outputs
        ("baseline", 1, "Baseline (full)", "1 (paper 1)", "14.8M (paper 14.8M)", "94.8 76.4 85.6"),
        (
            "packnet",
            1,
            "PackNet+ (50 %, full)",
            "2 (paper 2)",
            "7.4M (paper 7.4M)",
            "94.5 75.3 84.9",
        ),
        (
            "nestednet",
            1,
            "NestedNet (50 %, full)",
            "2 (paper 2)",
            "7.4M (paper 7.4M)",
            "94.7 76.7 85.7",
        ),
        ("dvn", 1, "DVN (25 %)", "4 (paper 4)", shared, "94.6 75.0 84.8"),
        ("dvn", 2, "DVN (full)", "", "", "95.1 77.3 86.2"),
    ]
    assert len(rows) == len(printed)
    for row, (method, level, title, outputs, parameters, numbers) in zip(
        rows, printed, strict=True
    ):
        first, second, average = numbers.split()
        names = f"cifar10/level{level}", f"cifar100/level{level}"
        assert row == [
            title,
            outputs,
            parameters,
            cell(accuracies(j1, method, names[0]), first),
            cell(accuracies(j1, method, names[1]), second),
            cell(accuracies(j1, method, *names), average),
            "3",
        ]


def test_table_3(made, tmp_path):
    tasks = {
        "coarse": {"classes": 20, "train_images": 50_000, "test_images": 10_000},
        "fine": {"classes": 100, "train_images": 50_000, "test_images": 10_000},
    }
    methods = {
        # Four networks, two widths a task.
        "baseline": ("Baseline", 4, {(t, i): d for t in (0, 1) for i, d in ((1, 0.25), (2, 1.0))}),
        "nestednet": ("NestedNet", 1, {(0, 1): 0.25, (1, 1): 1.0}),
        "dvn": made.JOINT["dvn"],
    }
    folder = made.write_runs(tmp_path, "H1", "joint", methods, tasks)
    head, rows = made_table(folder)
    assert head == ["Method", "N_O", *["Task 1 (20)"] * 2, *["Task 2 (100)"] * 2]
    sizes = ["1.8M (paper 1.8M)", "7.4M (paper 7.4M)"]
    assert rows[0] == ["Size", "—", "25 %", "full", "25 %", "full"]
    assert rows[1] == ["No. parameters", "—", *sizes, *sizes]
    printed = {  # Table 3
        "baseline": ("1", {"coarse": ("82.1", "84.9"), "fine": ("73.4", "75.7")}),
        "nestednet": ("2", {"coarse": ("83.7", None), "fine": (None, "76.6")}),
        "dvn": ("4", {"coarse": ("84.1", "86.1"), "fine": ("74.9", "76.9")}),
    }
    for row, (method, (outputs, numbers)) in zip(rows[2:], printed.items(), strict=True):
        assert row[1] == f"{outputs} (paper {outputs})"
        expected = []
        for task in tasks:
            for level, number in enumerate(numbers[task], start=1):
                own = 1 if method == "nestednet" else level
                values = accuracies(folder, method, f"{task}/level{own}") if number else None
                expected.append("—" if values is None else cell(values, number))
        assert row[2:] == expected


TABLE_4 = {
    "feature_extraction": "96.3 85.7 91.0",
    "da_cnn": "96.3 90.1 93.2",
    "lwf": "95.3 97.1 96.2",
    "nestednet": "93.9 98.2 96.05",
    "dvn 1": "95.4 97.7 96.55",
    "dvn 2": "95.8 98.1 96.95",
}
TABLE_5 = {
    "feature_extraction": "94.9 53.2 74.05",
    "da_cnn": "94.9 57.4 76.15",
    "lwf": "93.4 77.2 85.3",
    "nestednet": "93.1 77.9 85.5",
    "dvn 1": "93.1 78.0 85.55",
    "dvn 2": "93.4 78.7 86.05",
}


@pytest.mark.parametrize("scenario, printed", [("S1", TABLE_4), ("S2", TABLE_5)])
def test_tables_4_and_5(made, tmp_path, scenario, printed):
    folder = made.write_runs(tmp_path, scenario, "sequential", made.SEQUENTIAL)
    head, rows = made_table(folder)
    assert head == [
        "", "Feature Extraction (full)", "DA-CNN (full)", "LwF (full)", "NestedNet (25 %, full)",
        "DVN (25 %)", "DVN (full)",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["Task 1 (cifar10)", "Task 2 (cifar100)", "Average", "seeds"]
    assert rows[3][1:] == ["3"] * 6
    for column, (key, numbers) in enumerate(printed.items(), start=1):
        method, _, level = key.partition(" ")
        names = [f"{task}/level{level or 1}" for task in made.CIFAR]
        for row, outputs, number in zip(
            rows, ([names[0]], [names[1]], names), numbers.split(), strict=False
        ):
            assert row[column] == cell(accuracies(folder, method, *outputs), number)


def test_other_scenarios_have_no_papers_numbers(made, tmp_path):
    folder = made.write_runs(tmp_path, "mine", "joint", made.JOINT, seeds=(4,))
    head, rows = made_table(folder)
    assert head[:3] == ["Method", "N_O", "N_T"]
    assert "paper" not in str(rows)
    # One seed: its value, without an interval.
    assert rows[0][3] == f"{float(accuracies(folder, 'baseline', 'cifar10/level1')[0]):.2f}"


def test_two_seeds_are_shown_by_themselves(made, tmp_path):
    folder = made.write_runs(tmp_path, "mine", "joint", made.JOINT, seeds=(4, 7))
    _, rows = made_table(folder)
    first, second = accuracies(folder, "baseline", "cifar10/level1")
    assert rows[0][3] == f"{float(first):.2f}, {float(second):.2f}"
    assert "±" not in str(rows)


def test_a_run_alone_has_a_table_of_its_outputs(made, tmp_path):
    folder = made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(4,))
    head, rows = made_table(folder)
    assert head == [
        "Task", "size", "level", "parameters", "paper's count", "correct", "accuracy, %",
    ]  # fmt: skip
    outputs = json.loads((folder / "dvn" / "seed4" / "results.json").read_text())["outputs"]
    printed = {"cifar10/level1": 94.6, "cifar10/level2": 95.1}
    printed |= {"cifar100/level1": "75.0", "cifar100/level2": 77.3}
    assert len(rows) == len(outputs) == 4
    for row, (name, output) in zip(rows, outputs.items(), strict=True):
        task, level = name.split("/level")
        assert row == [
            f"Task {1 if task == 'cifar10' else 2} ({task})",
            {"1": "25 %", "2": "full"}[level],
            level,
            f"{output['parameters']:,}",
            f"{output['parameters_paper']:,}",
            f"{output['correct']:,} of 10,000",
            f"{100 * output['accuracy']:.2f} (paper {printed[name]})",
        ]


def test_sizes_have_one_name_in_every_method(made, tmp_path):
    equal = {(task, level): (0.25, 1.0, 1.0)[level - 1] for task in (0, 1) for level in (1, 2, 3)}
    made.write_runs(tmp_path, "mine", "joint", made.JOINT | {"dvn": ("DVN", 1, equal)})
    comparison = read_comparison(tmp_path)
    assert comparison.size("baseline", 1) == comparison.size("dvn", 3) == "full"
    assert comparison.size("nestednet", 1, "Task 1 (cifar10)") == "50 %"
    assert comparison.level_title("nestednet", 1, "Task 2 (cifar100)") == "NestedNet (full)"
    # Consecutive levels of a table may be equal (Eq. 4).
    assert [comparison.level_title("dvn", level) for level in (1, 2, 3)] == [
        "DVN (25 %)", "DVN (full, level 2)", "DVN (full, level 3)",
    ]  # fmt: skip


def test_paper_has_no_row_for_another_number_of_levels():
    j1, h1 = (paper.scenario(name, "joint", 2) for name in ("J1", "H1"))
    assert j1.accuracy("dvn", 2, 1, levels=2) == 95.1
    assert j1.accuracy("dvn", 1, 1, levels=3) is None
    assert h1.accuracy("dvn", 1, 1, levels=2) == 84.1
    assert h1.accuracy("dvn", 1, paper.AVERAGE, levels=2) is None  # Table 3 has no averages
    assert paper.scenario("J1", "joint", 3) is None
    assert paper.scenario("J1", "sequential", 2) is None
    assert paper.scenario("quickstart", "joint", 2) is None


def test_papers_averages_are_those_of_its_tasks():
    rows = paper.read_accuracies()
    wide = rows.pivot(index=["scenario", "method", "level"], columns="task", values="accuracy")
    averages = wide[paper.AVERAGE].dropna()
    assert len(averages) == 5 + 6 + 6  # Tables 1, 4 and 5
    assert set(wide.columns) == {"1", "2", paper.AVERAGE}
    for row, average in averages.items():
        assert average == pytest.approx(wide.loc[row, ["1", "2"]].mean(), abs=0.051)


def test_markdown():
    lines = markdown.table(["a", "b|c"], [["x", "1"], ["long", "22"]])
    assert lines == ["| a    | b\\|c |", "| ---- | ---: |", "| x    |    1 |", "| long |   22 |"]
    assert [markdown.count(n) for n in (950, 18_864, 7_387_136)] == ["950", "18.9k", "7.4M"]
    assert [markdown.duration(s) for s in (44.6, 200, 3599.8, 7500)] == [
        "45 s", "3 min 20 s", "1 h 00 min", "2 h 05 min",
    ]  # fmt: skip
    assert markdown.megabytes(29_548_544) == "29.5 MB"
    adds = (float("nan"), 950, 17_160_000, 2.5e9, 999.96e12, 7.5e16)
    assert [markdown.multiply_adds(n) for n in adds] == [
        "—", "950", "17.2 M", "2.5 G", "1,000.0 T", "75.0 P",
    ]  # fmt: skip
    assert markdown.bounds(-0.998, 0.001) == "[-1.00, +0.00]"
    assert markdown.bounds(-0.998, 0.001, -1.0) == "[-0.998, +0.001]"
    lists = ([], [3], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 5])
    assert [*map(markdown.seed_list, lists)] == [
        "none", "3", "0, 1, 2, 3", "0 to 4", "0, 1, 2, 3, 5",
    ]  # fmt: skip
