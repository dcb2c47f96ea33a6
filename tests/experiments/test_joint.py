"""The joint program end to end, killed and resumed, and given bad input."""

import json
import shutil
import time

import pytest
from run_checks import assert_same_files, one_line_error

SHORT = (
    "--gin_file=gin/quickstart.gin",
    "--gin_param=Recipe.epochs = 3",
    "--gin_param=WideResNet.width = 1",
)


@pytest.fixture(scope="module")
def finished(run_program, tmp_path_factory):
    """A short run that was never interrupted: its folder and what it printed.

    The only one here in a process of its own; its stderr shows what users see.
    """
    folder = tmp_path_factory.mktemp("joint") / "run"
    done = run_program("experiments.joint", *SHORT, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


def test_run_folder(finished):
    folder, printed = finished
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.gin", "results.json", "history.json", "checkpoints", "model.keras", "stage.json",
        "table.png", "correct.json",
        "events.out.tfevents.0001", "events.out.tfevents.final", ".lock",
    }  # fmt: skip
    assert str(folder) in printed


def test_a_run_says_what_it_does_and_how_it_goes(finished):
    folder, printed = finished
    history = json.loads((folder / "history.json").read_text())
    full = json.loads((folder / "results.json").read_text())["outputs"]["digits_5-9/level2"]
    before, rest = printed.split("epoch 1 of 3", 1)
    for text in (
        "quickstart, DVN", "digits_0-4, digits_5-9, learned together", "3 epochs",
        "5 classes, 721 training and 180 held-out test images of 8 x 8 pixels", "23 steps an epoch",
        "WRN-8-1 in 2 units", f"full: {full['parameters']:,} parameters", "left for this run.",
        str(folder),
    ):  # fmt: skip
        assert text in before
    assert "\r" not in printed and "\x1b" not in printed
    assert rest.count("epoch 2 of 3, ") == rest.count("epoch 3 of 3, ") == 1
    for epoch in history:
        assert f", loss {epoch['loss']:.4g}" in printed
        for level in (1, 2):
            assert f"{100 * epoch[f'val_digits_5-9/level{level}_accuracy']:.2f}" in rest
    assert max(map(len, before.splitlines())) < 100 + len(str(folder))


def test_keras_prints_its_own_lines_on_request(run_forked, tmp_path):
    args = ("--gin_param=Recipe.epochs = 1", f"--run_dir={tmp_path / 'run'}", "--keras_progress")
    done = run_forked("experiments.joint", *SHORT, *args)
    assert done.returncode == 0, done.stderr
    assert "digits_0-4/level1_cross_entropy:" in done.stdout
    assert "test accuracy, %" not in done.stdout


def test_results(finished):
    folder, printed = finished
    results = json.loads((folder / "results.json").read_text())
    assert (results["scenario"], results["method"]) == ("quickstart", "dvn")
    assert (results["seed"], results["epochs"]) == (0, 3)
    expected = {
        "digits_0-4/level1": [1],
        "digits_0-4/level2": [1, 2],
        "digits_5-9/level1": [2],
        "digits_5-9/level2": [1, 2],
    }
    assert {name: output["units"] for name, output in results["outputs"].items()} == expected
    for output in results["outputs"].values():
        assert set(output) == {
            "correct", "total", "accuracy", "loss", "units", "parameters", "parameters_paper",
            "density", "bytes", "multiply_adds",
        }  # fmt: skip
        assert f"{output['accuracy']:.2%}" in printed
        assert output["accuracy"] == output["correct"] / output["total"]
        assert output["total"] == 180


def test_framework_logs_are_shown_on_request(finished, run_program):
    """In a process of its own: TensorFlow logs these lines when it is imported."""
    folder, _ = finished
    done = run_program("experiments.joint", *SHORT, f"--run_dir={folder}", "--framework_logs")
    assert done.returncode == 0
    assert "oneDNN" in done.stderr or "cpu_feature_guard" in done.stderr


def test_the_same_command_reports_a_finished_run(finished, run_forked):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = run_forked("experiments.joint", *SHORT, f"--run_dir={folder}")
    assert again.returncode == 0
    assert "is finished" in again.stdout
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_and_resumed_run_equals_an_uninterrupted_one(finished, start_forked, tmp_path):
    """Killed before the first checkpoint, then after one, then while one is written."""
    folder = tmp_path / "run"
    first, second = (folder / "checkpoints" / f"epoch-000{n}.checkpoint" for n in (1, 2))
    for wanted in (folder / "config.gin", first, second):
        process, wait = start_forked("experiments.joint", *SHORT, f"--run_dir={folder}")
        deadline = time.monotonic() + 300
        while not wanted.exists() and process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        killed = wait()
        assert wanted.exists(), killed.stderr
        assert not (folder / "results.json").exists()
        assert ("Going on after epoch" in killed.stdout) == (wanted == second)
    # As a kill in the middle of a write leaves it: half a file under its temporary name.
    half = second.read_bytes()[: second.stat().st_size // 2]
    partial = ".partial-elsewhere-1-00000000-epoch-0003.checkpoint"
    (folder / "checkpoints" / partial).write_bytes(half)
    _, wait = start_forked("experiments.joint", *SHORT, f"--run_dir={folder}")
    resumed = wait()
    assert resumed.returncode == 0, resumed.stderr
    assert "Going on after epoch 2 of 3." in resumed.stdout
    assert "epoch 3 of 3, " in resumed.stdout
    assert "epoch 2 of 3, " not in resumed.stdout
    assert_same_files(folder, finished[0])


def test_killed_after_the_last_checkpoint(finished, run_forked, tmp_path):
    """Nothing is trained again; the model and the results are written as they would have been."""
    whole, _ = finished
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / "results.json").unlink()
    (folder / "model.keras").unlink()
    resumed = run_forked("experiments.joint", *SHORT, f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 3 of 3" not in resumed.stdout
    assert_same_files(folder, whole)


BAD = {
    "unknown dataset": (["--gin_param=Task.dataset = 'cifar11'"], "cifar11"),
    "unknown label key": (
        ["--gin_file=gin/h1_cifar100.gin", "--gin_param=coarse/Task.label_key = 'course'"],
        "coarse_label",
    ),
    "class out of range": (["--gin_param=high/Task.classes = '5-10'"], "class 10"),
    "class in two tasks": (["--gin_param=high/Task.classes = '4-9'"], "two tasks"),
    "more levels than units": (["--gin_param=Scenario.num_levels = 3"], "3 levels"),
    "partition does not fit": (["--gin_param=Scenario.fractions = (0.99, 0.01)"], "unit 2"),
    "depth": (["--gin_param=WideResNet.depth = 9"], "depth 9"),
    "batch": (["--gin_param=Recipe.batch_size = 4096"], "4096"),
    "absent data": (
        ["--gin_param=Task.dataset = 'folder:nowhere'"],
        "nowhere",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, run_forked, tmp_path):
    args, message = BAD[case]
    folder = tmp_path / "run"
    done = run_forked("experiments.joint", *SHORT, *args, f"--run_dir={folder}")
    assert message in one_line_error(done)
    assert not folder.exists()


def test_loss_that_becomes_nan(run_forked, tmp_path):
    args = ("--gin_param=Recipe.learning_rate = 1e30", f"--run_dir={tmp_path / 'run'}")
    done = run_forked("experiments.joint", *SHORT, *args)
    assert "of epoch 1 (no checkpoint yet)" in one_line_error(done)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_run_folder_of_another_configuration(finished, run_forked):
    folder, _ = finished
    before = (folder / "results.json").read_bytes()
    done = run_forked("experiments.joint", *SHORT, f"--run_dir={folder}", "--seed=1")
    assert "Recipe.seed = 0" in (error := one_line_error(done))
    assert "Recipe.seed = 1" in error
    assert (folder / "results.json").read_bytes() == before


def test_checkpoint_cut_short(finished, run_forked, tmp_path):
    whole, _ = finished
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.gin").write_bytes((whole / "config.gin").read_bytes())
    checkpoint = folder / "checkpoints" / "epoch-0002.checkpoint"
    checkpoint.write_bytes((whole / "checkpoints" / checkpoint.name).read_bytes()[:5000])
    aside = checkpoint.with_suffix(".damaged")
    for _ in range(2):  # it does not begin anew when it is started again either
        done = run_forked("experiments.joint", *SHORT, f"--run_dir={folder}")
        assert aside.name in one_line_error(done)
        assert aside.stat().st_size == 5000
        assert not (folder / "model.keras").exists()
