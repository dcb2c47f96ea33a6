"""The report as a whole: its text, its figures, and the folder that it is written to."""

import json
import re
import subprocess

import matplotlib.figure
import pytest

import dvn_tf
from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.comparison.report import write_report


def test_program_writes_the_report(made, run_forked, j1):
    (j1 / "dvn" / "seed1" / "results.json").unlink()
    done = run_forked("experiments.compare", f"--runs={j1}")
    assert done.returncode == 0, done.stderr
    assert f"The report is in {j1}/report/report.md" in done.stdout
    assert "DVN (full): " in done.stdout and "(2 seeds: 0, 2)" in done.stdout
    assert f"not finished, left out: {j1}/dvn/seed1" in done.stdout
    text = (j1 / "report" / "report.md").read_text()
    found = made.sections(text)
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
    found = made.sections((folder / "report" / "report.md").read_text())
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


def test_stages_without_history_are_named(made, s1):
    (s1 / "lwf" / "seed1" / "task1" / "history.json").unlink()
    comparison = read_comparison(s1)
    # The epochs of the second stage are counted as if the first one were there.
    assert list(comparison.curves("lwf", "classes_5-9", 1).index) == [5, 6, 7, 8]
    assert comparison.stage_ends("lwf") == [4]
    write_report(s1)
    found = made.sections((s1 / "report" / "report.md").read_text())
    assert f"- `{s1}/lwf/seed1`\n" in found["Settings"]
    assert str(s1 / "dvn") not in found["Settings"]


def test_a_run_alone_is_not_compared(made, tmp_path, capsys):
    made.write_runs(tmp_path, "J1", "joint", {"dvn": made.JOINT["dvn"]}, seeds=(0,))
    write_report(tmp_path)
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.startswith("# J1: DVN\n\n## Accuracy\n")
    assert list(made.sections(text)) == ["Accuracy", "Cost", "Settings", "How to write this report"]
    assert "| Task 2 (cifar100) | 25 % |     1 |" in text
    assert not (tmp_path / "report" / "methods_by_epoch.png").exists()
    assert "against" not in capsys.readouterr().out


def test_sequential_report(made, s1):
    write_report(s1)
    text = (s1 / "report" / "report.md").read_text()
    found = made.sections(text)
    assert "Forgetting" in found
    assert "Section 4.5 says the opposite of Table 5" in found["Accuracy"]
    assert (s1 / "report" / "forgetting.svg").exists()


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
