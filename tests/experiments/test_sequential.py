"""The sequential program as a user runs it: series of seeds, old runs, bad input."""

import json
import re
import subprocess

import pytest
from run_checks import one_line_error

SHORT = (
    "--gin_file=gin/quickstart_sequential.gin",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=Recipe.epochs = 1",
    "--gin_param=Recipe.batch_size = 64",
    "--gin_param=Task.train_examples = 40",
)
HEADS_ONLY = (*SHORT, "--gin_file=gin/methods/feature_extraction.gin")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def series(run_program, tmp_path_factory):
    """A run for each of two seeds: their folder, and what the program printed."""
    runs = tmp_path_factory.mktemp("series") / "runs"
    done = run_program("experiments.sequential", *HEADS_ONLY, "--seeds=0,1", f"--runs_dir={runs}")
    assert done.returncode == 0, done.stderr
    return runs / "quickstart_sequential" / "feature_extraction", done.stdout


def test_a_series_has_a_folder_for_each_seed(series):
    folder, printed = series
    assert sorted(path.name for path in folder.iterdir()) == ["seed0", "seed1"]
    for seed in (0, 1):
        results = json.loads((folder / f"seed{seed}" / "results.json").read_text())
        assert results["seed"] == seed
        assert f"Recipe.seed = {seed}" in (folder / f"seed{seed}" / "config.gin").read_text()
        assert f"1 epochs a task, seed {seed}" in printed
    first, second = (folder / f"seed{seed}" / "model.keras" for seed in (0, 1))
    assert first.read_bytes() != second.read_bytes()


def test_an_interrupted_series_goes_on_where_it_stopped(series, run_program):
    """The finished run is reported; the other goes on in its second stage."""
    folder, _ = series
    runs, finished, other = folder.parents[1], folder / "seed0", folder / "seed1"
    whole = json.loads((other / "results.json").read_text())
    for name in ("results.json", "model.keras", "digits_5-9/stage.json", "digits_5-9/model.keras"):
        (other / name).unlink()
    before, first_stage = contents(finished), contents(other / "digits_0-4")
    done = run_program("experiments.sequential", *HEADS_ONLY, "--seeds=0,1", f"--runs_dir={runs}")
    assert done.returncode == 0, done.stderr
    assert f"The run in {finished} is finished." in done.stdout
    assert "Stage 2 of 2, digits_5-9" in done.stdout
    assert "Stage 1 of 2" not in done.stdout
    assert contents(finished) == before
    assert contents(other / "digits_0-4") == first_stage
    assert json.loads((other / "results.json").read_text()) == whole


def test_an_old_run_is_named_by_its_seed(series, run_program, tmp_path):
    folder, _ = series
    done = run_program(
        "experiments.sequential", *SHORT, "--gin_file=gin/methods/da_cnn.gin", "--seed=1",
        f"--old_run={folder}/seed{{seed}}", f"--run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Stage 1 of 2" not in done.stdout
    for name in ("stage.json", "model.keras"):
        taken = tmp_path / "run" / "digits_0-4" / name
        assert taken.read_bytes() == (folder / "seed1" / "digits_0-4" / name).read_bytes()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["title"] == "DA-CNN"


S1, J1 = "--gin_file=gin/s1_cifar10.gin", "--gin_file=gin/j1_cifar.gin"
# {case: (program, flags, what the error says)}
BAD = {
    "joint scenario": ("sequential", [J1], "scenario J1 is joint: run it with"),
    "sequential scenario": ("joint", [S1], "scenario S1 is sequential: run it with"),
    "seed listed twice": ("sequential", [S1, "--seeds=0,1,0"], "--seeds lists seed 0 twice"),
    "same seed in two forms": ("joint", [J1, "--seeds=1,01"], "--seeds lists seed 1 twice"),
    "a letter for a seed": ("sequential", [S1, "--seeds=a"], "not 'a'"),
    "folder of a series": (
        "sequential",
        [S1, "--seeds=0,1", "--run_dir=run"],
        "--seeds and --run_dir exclude each other",
    ),
    "seed and seeds": ("joint", [J1, "--seeds=0", "--seed=1"], "--seeds and --seed exclude"),
    "method of sequences": (
        "joint",
        [J1, "--gin_file=gin/methods/lwf.gin"],
        "LwF learns one task after another",
    ),
    "method of joint learning": (
        "sequential",
        [S1, "--gin_file=gin/methods/nestednet_single.gin"],
        "NestedNet, one network a task needs the images of all tasks",
    ),
    "table of a growing network": (
        "sequential",
        [S1, "--gin_param=Scenario.num_units = 4"],
        "Scenario.num_units would contradict",
    ),
    "missing old run": ("sequential", [*HEADS_ONLY, "--old_run=nowhere"], "in nowhere"),
}


# Each program in a process of its own, forked where the imports that take seconds are done.
FORK = """
import os, runpy, sys, traceback
import dvn_tf.training.runs
for name, program, flags in {programs!r}:
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with open(f"{{name}}.status", "w") as file:
            file.write(str(status))
        continue
    for number, kind in enumerate(("stdout", "stderr"), start=1):
        os.dup2(os.open(f"{{name}}.{{kind}}", os.O_WRONLY | os.O_CREAT), number)
    code, sys.argv = 70, [program, *flags]
    try:
        runpy.run_module(f"experiments.{{program}}", run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
"""


@pytest.fixture(scope="module")
def ended(run_python, tmp_path_factory):
    """A function from a case of `BAD`, or "--help", to the program that it ended."""
    folder = tmp_path_factory.mktemp("bad")
    names = {case: case.replace(" ", "_").strip("-") for case in (*BAD, "--help")}
    programs = [
        (names[case], program, [*flags, f"--runs_dir={folder / names[case]}"])
        for case, (program, flags, _) in (BAD | {"--help": ("sequential", ["--help"], "")}).items()
    ]
    done = run_python(FORK.format(programs=programs), cwd=folder)
    assert done.returncode == 0, done.stderr

    def result(case):
        texts = [(folder / f"{names[case]}.{kind}").read_text() for kind in ("stdout", "stderr")]
        status = int((folder / f"{names[case]}.status").read_text())
        return subprocess.CompletedProcess(case, status, *texts), folder / names[case]

    return result


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_no_folder(case, ended):
    done, runs = ended(case)
    assert BAD[case][2] in one_line_error(done)
    assert not runs.exists()


def test_help_explains_every_flag(ended):
    shown = ended("--help")[0].stdout
    for flag in ("old_run", "seeds", "seed", "run_dir", "runs_dir", "data_dir", "gin_file"):
        assert re.search(rf"--(\[no\])?{flag}: [A-Z<]", shown), flag
