"""The sequential program as a user runs it: series of seeds, initial runs, bad input."""

import json

import pytest
from run_checks import one_line_error
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

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
def series(run_forked, tmp_path_factory):
    """A run for each of two seeds: their folder, and what the program printed."""
    runs = tmp_path_factory.mktemp("series") / "runs"
    done = run_forked("experiments.sequential", *HEADS_ONLY, "--seeds=0,1", f"--runs_dir={runs}")
    assert done.returncode == 0, done.stderr
    return runs / "quickstart_sequential" / "feature_extraction", done.stdout


def test_a_series_has_a_folder_for_each_seed(series):
    folder, printed = series
    assert sorted(path.name for path in folder.iterdir()) == ["seed0", "seed1"]
    for seed in (0, 1):
        results = json.loads((folder / f"seed{seed}" / "results.json").read_text())
        assert results["seed"] == seed
        assert f"Recipe.seed = {seed}" in (folder / f"seed{seed}" / "config.gin").read_text()
        assert f"1 epoch a task, seed {seed}" in printed
    first, second = (folder / f"seed{seed}" / "model.keras" for seed in (0, 1))
    assert first.read_bytes() != second.read_bytes()


def accuracy_points(folder) -> dict[str, list[int]]:
    """{tag: steps} of the accuracies of test images, as TensorBoard reads a run."""
    events = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    return {
        tag: [event.step for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag.startswith("accuracy/")
    }


def test_the_stages_of_a_run_make_one_curve(series):
    """The first task is evaluated in its own stage, and when the run is finished."""
    folder, printed = series
    assert not [*folder.glob("seed0/*/events*")]
    assert accuracy_points(folder / "seed0") == {
        "accuracy/digits_0-4/full": [1, 2],
        "accuracy/digits_5-9/full": [2],
        "accuracy/average/full": [2],
        "accuracy/average/largest": [2],
    }
    assert "(run 1 of 2)" in printed and "(run 2 of 2)" in printed
    assert "1 + 1 epochs in 2 stages" in printed
    assert "left for this run's 2 stages. Then another run follows" in printed


def test_an_interrupted_series_goes_on_where_it_stopped(series, run_forked):
    """The finished run is reported; the other goes on in its second stage."""
    folder, _ = series
    runs, finished, other = folder.parents[1], folder / "seed0", folder / "seed1"
    whole = json.loads((other / "results.json").read_text())
    for name in ("results.json", "model.keras", "digits_5-9/stage.json", "digits_5-9/model.keras"):
        (other / name).unlink()
    before, first_stage = contents(finished), contents(other / "digits_0-4")
    done = run_forked("experiments.sequential", *HEADS_ONLY, "--seeds=0,1", f"--runs_dir={runs}")
    assert done.returncode == 0, done.stderr
    assert f"The run in {finished} is finished." in done.stdout
    assert "Stage 2 of 2, digits_5-9" in done.stdout
    assert "Stage 1 of 2" not in done.stdout
    assert contents(finished) == before
    assert contents(other / "digits_0-4") == first_stage
    again = json.loads((other / "results.json").read_text())
    assert again["provenance"].pop("finished") > whole["provenance"].pop("finished")
    assert again == whole


def test_an_initial_run_is_named_by_its_seed(series, run_forked, tmp_path):
    folder, _ = series
    done = run_forked(
        "experiments.sequential", *SHORT, "--gin_file=gin/methods/da_cnn.gin", "--seed=1",
        f"--initial_run={folder}/seed{{seed}}", f"--run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Stage 1 of 2" not in done.stdout
    for name in ("stage.json", "model.keras"):
        taken = tmp_path / "run" / "digits_0-4" / name
        assert taken.read_bytes() == (folder / "seed1" / "digits_0-4" / name).read_bytes()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["title"] == "DA-CNN"
    assert accuracy_points(tmp_path / "run") == accuracy_points(folder / "seed1")


S1, J1 = "--gin_file=gin/s1_cifar10.gin", "--gin_file=gin/j1_cifar.gin"
# {case: (program, flags, what the error says)}
BAD = {
    "joint scenario": ("sequential", [J1], "scenario J1 is joint: run it with"),
    "sequential scenario": ("joint", [S1], "scenario S1 is sequential: run it with"),
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
        "which contradicts Scenario.num_units: leave it out",
    ),
    "missing initial run": ("sequential", [*HEADS_ONLY, "--initial_run=nowhere"], "in nowhere"),
    "name of version 0.1": ("sequential", [*HEADS_ONLY, "--old_run=nowhere"], "in nowhere"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_no_folder(case, run_forked, tmp_path):
    program, flags, message = BAD[case]
    runs = tmp_path / "runs"
    done = run_forked(f"experiments.{program}", *flags, f"--runs_dir={runs}", cwd=tmp_path)
    assert message in one_line_error(done)
    assert not runs.exists()
