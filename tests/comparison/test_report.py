"""The report as a whole: its text, its figures, and the folder that it is written to."""

import json
import re
import subprocess

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

import dvn_tf
from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.comparison.report import write_report


def sections(text):
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_program_writes_the_report(run_forked, j1):
    (j1 / "dvn" / "seed1" / "results.json").unlink()
    done = run_forked("experiments.compare", f"--runs={j1}")
    assert done.returncode == 0, done.stderr
    assert f"The report is in {j1}/report/report.md" in done.stdout
    assert "DVN (full): " in done.stdout and "(2 seeds: 0, 2)" in done.stdout
    assert f"not finished, left out: {j1}/dvn/seed1" in done.stdout
    text = (j1 / "report" / "report.md").read_text()
    found = sections(text)
    assert list(found) == [
        "Accuracy", "Differences", "Cost", "Settings", "How to write this report",
    ]  # fmt: skip
    assert "Table 1 (WRN-32-4, N = 1)" in found["Accuracy"]
    assert f"- `{j1}/dvn/seed1`" in found["Settings"]
    assert f"python -m experiments.compare --runs={j1}\n" in found["How to write this report"]
    names = ["dvn_by_epoch", "accuracy_over_density", "accuracy_by_method", "methods_by_epoch"]
    assert re.findall(r"\]\((\w+)\.png\)", found["Accuracy"]) == names
    written = {path.name for path in (j1 / "report").iterdir()}
    assert written == {"report.md", "runs.csv"} | {
        f"{n}.{end}" for n in names for end in ("png", "svg")
    }
    assert "Figure 4" in found["Accuracy"]


def test_help_names_the_flags(run_program):
    done = run_program("experiments.compare", "--help")
    assert "--runs" in done.stdout and "--report_dir" in done.stdout


def test_the_room_loads_no_framework(j1, run_python):
    # `import dvn_tf` registers the network's classes with Keras; an empty package stands for it.
    done = run_python(
        f"import sys, types; sys.modules['dvn_tf'] = types.ModuleType('dvn_tf'); "
        f"sys.modules['dvn_tf'].__path__ = {list(dvn_tf.__path__)!r}; "
        "from dvn_tf.comparison.report import write_report; "
        f"write_report({str(j1)!r}); print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_same_runs_give_the_same_bytes(j1, tmp_path):
    contents = []
    for _ in range(2):
        write_report(j1, tmp_path / "out")
        contents.append({p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]


def test_a_report_is_replaced_whole(j1, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("old")
    (out / "memory_efficient.png").write_text("a figure that this report does not have")
    write_report(j1, out)
    assert (out / "report.md").read_text() != "old"
    assert not (out / "memory_efficient.png").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["thesis.tex", "holiday.png"])
def test_other_files_are_not_replaced(j1, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(dvn_tf.UserError, match=f"out holds other files \\({name}\\)"):
        write_report(j1, out)
    assert (out / name).read_text() == "mine"
    with pytest.raises(dvn_tf.UserError, match="holds other files"):
        write_report(j1, j1)
    assert read_comparison(j1).methods.at["dvn", "seeds"] == (0, 1, 2)


def test_a_failed_drawing_leaves_the_old_report(j1, tmp_path, monkeypatch):
    write_report(j1, tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", full_disk)
    with pytest.raises(dvn_tf.UserError, match=r"cannot write .*No space left on device"):
        write_report(j1, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_settings_say_what_differs_from_the_paper(made, tmp_path):
    tasks = json.loads(json.dumps(made.CIFAR))
    tasks["cifar10"]["train_images"] = 20_000
    folder = made.write_runs(
        tmp_path, "J1", "joint", made.JOINT, tasks, seeds=(3,), backbone="WRN-14-2", batch_size=64
    )
    write_report(folder)
    found = sections((folder / "report" / "report.md").read_text())
    for line in (
        "- backbone: WRN-14-2, in the paper WRN-32-4",
        "- batch size: 64, in the paper 128",
        "- cifar10: 2,000 training images a class (20,000), in the paper 5,000 (50,000)",
        "- epochs: 4; the paper does not give its number",
        "With fewer than three seeds there is no interval: Baseline, PackNet+, NestedNet, DVN.",
        "- DVN: 1 seed: 3",
    ):
        assert line in found["Settings"].splitlines()
    assert "cifar100: 500 training" not in found["Settings"]


@pytest.mark.parametrize("seeds", [(3,), (3, 5)])
@pytest.mark.parametrize("kind", ["joint", "sequential"])
def test_few_seeds_are_shown_without_interval_or_verdict(made, tmp_path, capsys, kind, seeds):
    scenario, methods = {"joint": ("J1", made.JOINT), "sequential": ("S1", made.SEQUENTIAL)}[kind]
    write_report(made.write_runs(tmp_path, scenario, kind, methods, seeds=seeds))
    text = (tmp_path / "report" / "report.md").read_text()
    for written in (text, capsys.readouterr().out):
        for word in ("±", "significant", "better", "worse", "band", "bars are"):
            assert word not in written, word
        compared = len(methods) - 1
        assert written.count("no verdict (fewer than three seeds)") >= compared
    assert "each seed by itself" in text
    # Neither bands nor bars: matplotlib names both kinds of collections in an SVG file.
    for drawing in (tmp_path / "report").glob("*.svg"):
        assert not re.search('id="(FillBetweenPoly|Line|Poly)Collection', drawing.read_text())


def test_provenance(j1):
    write_report(j1)
    settings = sections((j1 / "report" / "report.md").read_text())["Settings"]
    rows = dict(re.findall(r"^\| (.+?) +\| +(.+?) \|$", settings, re.MULTILINE))
    expected = {
        "finished": "2026-11-21",
        "dvn_tf": "0.3.0",
        "commit": "0123456789",
        "Keras": "3.12.0",
        "backend": "tensorflow 2.20.0",
        "Python": "3.11.9",
        "machine": "Processor X, 2 CPU cores",
        "training time, all runs": "12 h 12 min on Processor X, 2 CPU cores",
    }
    assert {key: rows[key] for key in expected} == expected
    assert "differ in" not in settings


def change_provenance(file, **changes):
    results = json.loads(file.read_text())
    results["provenance"] |= changes
    file.write_text(json.dumps(results))


def test_runs_of_several_machines_and_versions_say_so(j1):
    for seed in range(3):
        file = j1 / "dvn" / f"seed{seed}" / "results.json"
        change_provenance(file, device="GPU Y", cores=1, finished="2026-12-01T00:00:00+00:00")
    change_provenance(
        j1 / "packnet" / "seed2" / "results.json", keras="3.13.0", commit="f" * 40 + "+"
    )
    write_report(j1)
    found = sections((j1 / "report" / "report.md").read_text())
    for part in (
        "**The runs differ in commit, Keras and machine.** Training times of different machines "
        "cannot be compared.",
        "3.13.0 (PackNet+ 2)",
        "GPU Y, 1 CPU core (DVN 0, 1, 2)",
        "2026-11-21 to 2026-12-01",
    ):
        assert part in found["Settings"]
    assert "ffffffffff+ (PackNet+ 2)" in found["Settings"]
    assert re.search(
        r"^\| DVN .*1 h 01 min \(on GPU Y, 16 CPU cores\)", found["Cost"], re.MULTILINE
    )


def test_old_files_say_that_nothing_was_recorded(made, j1):
    for file in j1.rglob("results.json"):
        file.write_text(json.dumps(made.without_counts(json.loads(file.read_text()))))
    write_report(j1)
    found = sections((j1 / "report" / "report.md").read_text())
    assert found["Settings"].count("not recorded") == 7
    assert "as measured on a machine that is not recorded" in found["Cost"]


def json_alone(runs, folder):
    """A copy of what `docs/results` holds of runs: results.json and history.json."""
    for file in [*runs.rglob("results.json"), *runs.rglob("history.json")]:
        copy = folder / file.relative_to(runs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize("scenario", ["j1", "s1"])
def test_json_files_are_enough(request, tmp_path, monkeypatch, scenario):
    runs = request.getfixturevalue(scenario)
    contents = []
    for place in ("here", "there/deeper"):
        results = tmp_path / place / "results"
        json_alone(runs, results / "runs")
        monkeypatch.chdir(tmp_path / place)
        write_report("results/runs", "results")
        contents.append({p.name: p.read_bytes() for p in results.iterdir() if p.is_file()})
        # The folder of the runs stays as it was, and has nothing for TensorBoard to show.
        assert {p.name for p in results.iterdir() if p.is_dir()} == {"runs"}
        assert not (results / "runs" / "comparison").exists()
        assert read_comparison(results / "runs").unfinished == ()
    assert contents[0] == contents[1]
    text = contents[0]["report.md"].decode()
    assert "--runs=results/runs --report_dir=results\n" in text
    assert "methods_by_epoch.png" in contents[0]
    write_report(runs, tmp_path / "whole")
    changed = {"report.md", "runs.csv"}  # they name the runs' folder
    for path in (tmp_path / "whole").iterdir():
        assert path.name in changed or path.read_bytes() == contents[0][path.name]


def test_stages_without_history_are_named(s1):
    (s1 / "lwf" / "seed1" / "task1" / "history.json").unlink()
    comparison = read_comparison(s1)
    # The epochs of the second stage are counted as if the first one were there.
    assert list(comparison.curves("lwf", "classes_5-9", 1).index) == [5, 6, 7, 8]
    assert comparison.stage_ends("lwf") == [4]
    write_report(s1)
    found = sections((s1 / "report" / "report.md").read_text())
    assert f"- `{s1}/lwf/seed1`\n" in found["Settings"]
    assert str(s1 / "dvn") not in found["Settings"]


def test_a_run_alone_is_not_compared(made, tmp_path, capsys):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(0,))
    write_report(tmp_path)
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.startswith("# J1: DVN\n\n## Accuracy\n")
    assert list(sections(text)) == ["Accuracy", "Cost", "Settings", "How to write this report"]
    assert "| Task 2 (cifar100) | 25 % |     1 |" in text
    assert not (tmp_path / "report" / "methods_by_epoch.png").exists()
    assert "against" not in capsys.readouterr().out


def test_sequential_report(s1):
    write_report(s1)
    text = (s1 / "report" / "report.md").read_text()
    found = sections(text)
    assert "Forgetting" in found
    assert "Section 4.5 says the opposite of Table 5" in found["Accuracy"]
    assert (s1 / "report" / "forgetting.svg").exists()


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
    from scipy import stats

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


def test_the_command_in_the_report_works(run_forked, j1, tmp_path):
    out = tmp_path / "a folder"
    write_report(j1, out)
    text = (out / "report.md").read_text()
    [command] = re.findall(r"^python -m experiments.compare .*$", text, re.MULTILINE)
    done = subprocess.run(
        ["bash", "-c", f'printf "%s\\n" {command.removeprefix("python -m ")}'],
        capture_output=True,
        text=True,
        check=True,
    )
    module, *arguments = done.stdout.splitlines()
    assert run_forked(module, *arguments).returncode == 0
    assert (out / "report.md").read_text() == text
