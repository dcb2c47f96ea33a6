"""The reports in docs/results are what their runs' JSON gives, and the pages quote them rightly."""

import json
import pathlib
import re

import pytest

import dvn_tf
from dvn_tf.benchmarks.latency_report import markdown
from dvn_tf.comparison.comparison import AVERAGE, read_comparison
from dvn_tf.comparison.figures import draw_figures
from dvn_tf.comparison.report import report_text

ROOT = pathlib.Path(dvn_tf.__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
FOLDERS = sorted(folder.parent.name for folder in RESULTS.glob("*/runs"))


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def read(name):
    return read_comparison(f"docs/results/{name}/runs")


def test_every_report_has_its_runs():
    assert sorted(report.parent.name for report in RESULTS.glob("*/report.md")) == FOLDERS
    assert {"c10", "s1"} <= set(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_report_is_what_its_runs_give(name, tmp_path):
    comparison = read(name)
    command = (
        f"python -m experiments.compare --runs=docs/results/{name}/runs "
        f"--report_dir=docs/results/{name}"
    )
    text = report_text(comparison, draw_figures(tmp_path, comparison), command)
    assert text == (RESULTS / name / "report.md").read_text(encoding="utf-8")
    names = {path.name for path in (RESULTS / name).iterdir()} - {"runs", "runs.csv", "report.md"}
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.parametrize(
    ("page", "name", "seeds"),
    [
        ("README.md", "j1", 16),
        ("docs/results/README.md", "j1", 16),
        ("docs/results/README.md", "s1_separate", 6),
        ("docs/results/README.md", "c10", 3),
        ("docs/results/README.md", "s1", 3),
    ],
)
def test_pages_quote_the_averages_of_the_reports(page, name, seeds):
    """With one digit, and half the 95 % interval."""
    comparison = read(name)
    text = (ROOT / page).read_text(encoding="utf-8")
    for method, level in comparison.levels:
        value = comparison.accuracy(method, level, AVERAGE)
        assert len(value.values) == seeds
        assert f"{value.mean:.1f} ± {value.half:.1f}" in text, (method, level)


@pytest.mark.parametrize("page", ["README.md", "docs/results/README.md"])
@pytest.mark.parametrize(("name", "seeds"), [("j1", 16), ("s1_separate", 6)])
def test_pages_quote_the_answers(page, name, seeds):
    report = (RESULTS / name / "report.md").read_text(encoding="utf-8")
    answer = re.search(rf": (\S+ points, 90 % interval \[.*?\]) \({seeds} seeds", report)[1]
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert answer in text


def test_the_latency_table_is_what_its_figures_give():
    figures = json.loads((RESULTS / "table2_j2.json").read_text(encoding="utf-8"))
    table = markdown(figures, "Speed of J2's levels, not trained")
    assert table == (RESULTS / "table2_j2.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["j1_narrow", "j2_narrow"])
def test_the_page_quotes_the_single_runs(name):
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    for row in read(name).outputs.itertuples():
        assert f"| {100 * row.accuracy:.2f} % |" in text, (row.task, row.level)
        assert f"| {row.parameters_paper:,} |" in text


def test_the_page_quotes_the_export():
    file = RESULTS / "j1_narrow/runs/dvn/seed0/export/manifest.json"
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    entries = json.loads(file.read_text(encoding="utf-8"))["files"]
    for entry in entries:
        if entry["format"] in ("litert", "litert_int8"):
            assert f"| {entry['bytes']:,} bytes | {100 * entry['accuracy']:.2f} % |" in text
