"""The report's figures, and the curves that they are drawn from."""

import json

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.comparison.report import write_report


def test_j2_has_both_parts_of_figure_5(made, tmp_path):
    densities = (1 / 16, 4 / 16, 9 / 16, 1.0)
    every = {(task, level): d for task in range(4) for level, d in enumerate(densities, 1)}
    methods = {
        "nestednet": ("NestedNet", 1, {(task, 1): (task + 1) / 4 for task in range(4)}),
        "nestednet_single": ("NestedNet, one network a task", 4, every),
        "dvn": ("DVN", 1, every),
    }
    tasks = {
        f"part{n}": {"classes": 50, "train_images": 25_000, "test_images": 2_500} for n in range(4)
    }
    folder = made.write_runs(tmp_path, "J2", "joint", methods, tasks, seeds=(0,))
    write_report(folder)
    text = (folder / "report" / "report.md").read_text()
    assert "Figure 5a, which prints no numbers" in text and "Figure 5b" in text
    assert "(paper " not in text
    assert "Task 1 (part0)" in text
    drawing = (folder / "report" / "memory_efficient.svg").read_text()
    assert "<!-- NestedNet, one network a task -->" in drawing and "<!-- DVN -->" in drawing
    drawing = (folder / "report" / "accuracy_over_density.svg").read_text()
    assert "<!-- NestedNet, one network a task -->" not in drawing


def test_figures_have_content(j1):
    write_report(j1)
    for path in (j1 / "report").glob("*.png"):
        pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
        assert len(np.unique(pixels, axis=0)) > 50, path.name
        drawing = path.with_suffix(".svg").read_text()
        assert "<!-- Task 1 (cifar10) -->" in drawing and "<!-- Task 2 (cifar100) -->" in drawing
        assert drawing.count("<path") > 20


@pytest.fixture
def drawn_axes(monkeypatch):
    """The axes of all figures that are drawn, by figure."""
    axes = {}
    save = matplotlib.figure.Figure.savefig

    def record(figure, path, **options):
        axes[path.stem] = figure.axes
        save(figure, path, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", record)
    return axes


@pytest.mark.parametrize("counts", [(10_000, 10_000, 9_990), (9_950, 9_100, 10_000), (40, 0, 9)])
@pytest.mark.parametrize("seeds", [1, 3])
def test_axes_of_accuracies_stay_within_what_is_needed(made, tmp_path, drawn_axes, counts, seeds):
    made.write_runs(tmp_path, "mine", "sequential", made.SEQUENTIAL, seeds=range(seeds))
    for file in tmp_path.rglob("results.json"):
        results = json.loads(file.read_text())
        correct = counts[results["seed"]]
        made.set_correct(file, dict.fromkeys(results["outputs"], correct))
    for file in tmp_path.rglob("history.json"):
        file.unlink()
    write_report(tmp_path)
    values = np.array(counts[:seeds]) / 100
    half = stats.t.ppf(0.975, 2) * stats.sem(values) if seeds == 3 else 0
    ends = np.clip([values.mean() - half, values.mean() + half], 0, 100)
    needed = min(*values, *ends), max(*values, *ends)
    space = max(0.06 * (needed[1] - needed[0]), 0.3)
    expected = max(0, needed[0] - space), min(100, needed[1] + space)
    assert {*drawn_axes} == {"accuracy_over_density", "accuracy_by_method", "forgetting"}
    for name in ("accuracy_over_density", "accuracy_by_method"):
        for axes in drawn_axes[name]:
            limits = axes.get_ylim() if name == "accuracy_over_density" else axes.get_xlim()
            assert limits == pytest.approx(expected)
    for axes in drawn_axes["forgetting"]:
        assert 0 <= axes.get_xlim()[0] < axes.get_xlim()[1] <= 100


def test_curves_stay_within_0_to_100(s1, drawn_axes):
    write_report(s1)
    for name in ("dvn_by_epoch", "methods_by_epoch"):
        for axes in drawn_axes[name]:
            low, high = axes.get_ylim()
            assert 0 <= low < high <= 100
            lines = [line for line in axes.lines if len(line.get_ydata()) > 2]
            assert low <= min(min(line.get_ydata()) for line in lines)


def test_forgetting_explains_its_marks(s1, drawn_axes):
    write_report(s1)
    [legend] = drawn_axes["forgetting"][0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["after its own stage", "at the end"]
    before, after = (handle.get_markerfacecolor() for handle in legend.legend_handles)
    assert before == "white" != after


def test_names_with_dollars_are_no_mathematics(made, tmp_path):
    tasks = dict(zip(("a$b_c", "100$^"), made.CIFAR.values(), strict=True))
    write_report(made.write_runs(tmp_path, "mine", "joint", made.JOINT, tasks))
    assert "<!-- Task 1 (a$b_c) -->" in (tmp_path / "report" / "dvn_by_epoch.svg").read_text()


def test_curves(j1):
    curves = read_comparison(j1).curves("dvn", "cifar100", 2)
    files = [j1 / "dvn" / f"seed{seed}" / "history.json" for seed in range(3)]
    histories = [json.loads(file.read_text()) for file in files]
    values = 100 * np.array(
        [[epoch["val_cifar100/level2_accuracy"] for epoch in history] for history in histories]
    )
    assert list(curves.index) == [1, 2, 3, 4]
    assert list(curves.columns) == [0, 1, 2]
    np.testing.assert_allclose(curves.T, values)


def test_curves_over_stages(s1):
    comparison = read_comparison(s1)
    assert comparison.stage_ends("lwf") == [4]
    assert list(comparison.curves("lwf", "classes_0-4", 1).index) == list(range(1, 9))
    assert list(comparison.curves("lwf", "classes_5-9", 1).index) == [5, 6, 7, 8]
    own = comparison.curves("lwf", "classes_5-9", 1, "task_epoch")
    assert list(own.index) == [1, 2, 3, 4]
    # The DVN of the first stage has one level: it stands for the one that came later.
    top, low = (comparison.curves("dvn", "classes_0-4", level).mean(axis=1) for level in (2, 1))
    np.testing.assert_array_equal(top[:4], low[:4])
    assert (top[4:] != low[4:]).all()


def test_without_histories_there_are_no_curves(j1):
    for file in j1.rglob("history.json"):
        file.unlink()
    write_report(j1)
    assert not list((j1 / "report").glob("*_by_epoch.*"))
    assert (j1 / "report" / "accuracy_by_method.png").exists()


def test_epochs_without_evaluation_are_left_out(j1):
    for file in (j1 / "dvn").rglob("history.json"):
        history = json.loads(file.read_text())
        for epoch in (0, 2):
            history[epoch] = {"loss": 1.0}
        file.write_text(json.dumps(history))
    assert list(read_comparison(j1).curves("dvn", "cifar10", 1).index) == [2, 4]
