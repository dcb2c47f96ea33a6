"""The table of the DVN's variants, and the figure of accuracy over training cost."""

import json

import matplotlib.figure
import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import cost_figure, panels, variants
from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.comparison.report import write_report

NAMES = [f"{task}/level{level}" for task in ("cifar10", "cifar100") for level in (1, 2)]


def accuracies(folder, method, names, seeds):
    return np.array(
        [
            100
            * np.mean(
                [
                    json.loads((folder / method / f"seed{seed}" / "results.json").read_text())[
                        "outputs"
                    ][name]["accuracy"]
                    for name in names
                ]
            )
            for seed in seeds
        ]
    )


def change(folder, method, **changes):
    for file in (folder / method).rglob("results.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_the_table(own):
    change(own, "dvn", seconds=200.0, training_multiply_adds=10**12)
    change(own, "dvn_causal", seconds=70.0, training_multiply_adds=10**12 // 4)
    comparison = read_comparison(own)
    head, rows = variants.variant_table(comparison)
    assert head == [
        "Method", "level 1 (25 %)", "level 2 (full)", "against the DVN",
        "against separate networks", "training time", "training multiply-adds", "storage", "seeds",
    ]  # fmt: skip
    by_title = {row[0]: row[1:] for row in rows}
    assert list(by_title) == ["Separate networks", "DVN", "DVN, causal", "DVN, distilled"]
    causal = by_title["DVN, causal"]
    for cell, names in zip(causal, (NAMES[::2], NAMES[1::2]), strict=False):
        values = accuracies(own, "dvn_causal", names, range(4))
        half = stats.t.ppf(0.975, 3) * stats.sem(values)
        assert [*map(float, cell.split(" ± "))] == pytest.approx((values.mean(), half), abs=0.006)
    for cell, reference in zip(causal[2:], ("dvn", "separate"), strict=False):
        pairs = accuracies(own, "dvn_causal", NAMES, range(4))
        pairs -= accuracies(own, reference, NAMES, range(4))
        low, high = stats.ttest_1samp(pairs, 0).confidence_interval(1 - 0.05 / 2)
        mean, half = map(float, cell.split(" ± "))
        assert (mean, half) == pytest.approx((pairs.mean(), (high - low) / 2), abs=0.006)
    assert causal[-1] == "0, 1, 2, 3"
    assert causal[4:6] == ["0.35 x", "0.25 x"]
    assert by_title["DVN"][2:6] == ["—", "—", "1.00 x", "1.00 x"]
    parameters = json.loads((own / "separate/seed0/results.json").read_text())["parameters"]
    assert by_title["Separate networks"][-2] == f"{4 * parameters / 1e6:.1f} MB"


@pytest.mark.slow
def test_without_the_dvn_there_is_nothing_to_relate_costs_to(made, tmp_path):
    methods = {"dvn_causal": made.OWN["dvn_causal"], "packnet": made.JOINT["packnet"]}
    comparison = read_comparison(made.write_runs(tmp_path, "J1", "joint", methods))
    head, [row] = variants.variant_table(comparison)
    assert not [title for title in head if title.startswith("against")]
    assert row[3:5] == ["—", "—"]
    write_report(tmp_path)


@pytest.mark.slow
def test_variants_of_other_levels_and_epochs(made, tmp_path):
    one_level = {place: density for place, density in made.JOINT["dvn"][2].items() if place[1] == 1}
    methods = made.OWN | {"dvn_small": ("DVN, small", 1, one_level)}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    change(folder, "dvn_causal", epochs=8, units=4)
    comparison = read_comparison(folder)
    _, rows = variants.variant_table(comparison)
    small = next(row for row in rows if row[0] == "DVN, small")
    assert small[2:5] == ["—", "—", "—"]
    assert "dvn_small" not in cost_figure.same_outputs(comparison)
    write_report(folder)
    settings = made.sections((folder / "report" / "report.md").read_text())["Settings"]
    assert settings.startswith("\nWRN-32-4, batches of 128 images, the same for every method.\n")
    assert "- DVN: 3 seeds: 0, 1, 2, 4 epochs, 2 units\n" in settings
    assert "- DVN, causal: 3 seeds: 0, 1, 2, 8 epochs, 4 units\n" in settings
    assert "- Separate networks: 3 seeds: 0, 1, 2, 4 epochs\n" in settings
    assert "**The methods differ in epochs.**" in settings
    assert "- epochs: 4 and 8; the paper does not give its number" in settings


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, by name."""
    figures = {}
    save = matplotlib.figure.Figure.savefig

    def record(figure, path, **options):
        figures[path.stem] = figure
        save(figure, path, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", record)
    return figures


@pytest.mark.slow
def test_the_figure_of_costs(made, own, drawn):
    costs = {"separate": 400, "dvn": 400, "dvn_causal": 150, "dvn_distilled": 900}
    for method, seconds in costs.items():
        change(own, method, seconds=float(seconds), training_multiply_adds=seconds * 10**9)
    made.write_runs(own, "J1", "joint", {"packnet": made.JOINT["packnet"]})
    write_report(own)
    time, adds = drawn["accuracy_over_cost"].axes
    assert (time.get_xlabel(), adds.get_xlabel()) == ("minutes", "10⁹")
    for axes, unit in ((time, 60), (adds, 1)):
        points = [container.lines[0].get_xydata()[0].tolist() for container in axes.containers]
        expected = [float(cost) / unit for cost in costs.values()]
        places = [x for x, _ in points]
        # Of about the same cost, and side by side.
        assert places == pytest.approx(expected, rel=0.03)
        assert places[0] < expected[0] == expected[1] < places[1]
        assert places[2:] == expected[2:]
        for (_, height), method in zip(points, costs, strict=True):
            assert height == pytest.approx(accuracies(own, method, NAMES, range(4)).mean())
    # PackNet+ has other outputs.
    labels = [text.get_text() for text in drawn["accuracy_over_cost"].legends[0].get_texts()]
    assert labels == ["Separate networks", "DVN", "DVN, causal", "DVN, distilled"]


@pytest.mark.slow
def test_without_methods_of_the_same_outputs_there_is_no_figure_of_costs(j1):
    write_report(j1)
    assert not (j1 / "report" / "accuracy_over_cost.png").exists()


def test_methods_look_different(made, tmp_path):
    methods = made.JOINT | made.OWN
    for number in range(6):
        methods[f"dvn_{number}"] = (f"DVN, {number}", 1, made.JOINT["dvn"][2])
    comparison = read_comparison(made.write_runs(tmp_path, "J1", "joint", methods, seeds=(0,)))
    looks = panels.looks(comparison)
    assert len({*looks.values()}) == len(looks) == 13
    fresh = [look for method, look in looks.items() if method in comparison.variants]
    assert len({look.colour for look in fresh[:7]}) == 7
    assert {look.line for look in fresh} == {"--"} and looks["dvn"].line == "-"


def test_what_stands_together_is_set_apart():
    assert panels.set_apart([5.0, 1.0, 5.05], 0.2) == pytest.approx([4.9, 1.0, 5.15])
    assert panels.set_apart([5.0, 1.0, 5.25], 0.2) == [5.0, 1.0, 5.25]
    assert panels.set_apart([], 0.2) == []
