"""Plans of runs: which are done, in which order and at which rates, and by which program."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from run_checks import one_line_error

from dvn_runtime.errors import UserError
from experiments import plan_file

ROOT = pathlib.Path(__file__).parents[2]
PLAN = """
[studies.A]
program = "joint"
gin_files = ["gin/quickstart.gin"]
gin_params = ["Recipe.epochs = 1"]
search_params = ["Task.test_fraction = 0.5"]
search_seed = 9
rates = [0.2, 0.05, 0.1]

[studies.A.arms.plain]
gin_files = ["gin/methods/dvn.gin"]

[studies.A.arms.other]
choices = ["DVN.temperature = 1.0", "DVN.temperature = 3.0"]

[studies.A.arms.like_plain]
rate_of = "plain"

[studies.A.arms.fixed]
rate = 0.03

[[steps]]
study = "A"
arms = ["plain", "like_plain", "fixed"]
seeds = [1, 0]

[[steps]]
study = "A"
arms = ["other"]
seeds = [0]
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    return plan_file.read_plan(tmp_path / "plan.toml")


def finish(run, accuracy):
    """Writes the results of a run whose outputs have a mean accuracy."""
    run.folder.mkdir(parents=True)
    outputs = {"a/level1": {"accuracy": accuracy - 0.1}, "a/level2": {"accuracy": accuracy + 0.1}}
    (run.folder / "results.json").write_text(json.dumps({"outputs": outputs, "seconds": 3.0}))


def finish_search(plan, arm, runs_dir, accuracies):
    """Finishes an arm's search; {(rate, choice): accuracy}."""
    done = []
    while len(done) < len(found := plan.search_runs("A", arm, runs_dir)):
        run = next(run for run in found if run.folder not in done)
        finish(run, accuracies[run.rate, run.choice])
        done.append(run.folder)
    return [(run.rate, run.choice) for run in found]


def test_before_its_search_an_arm_has_no_runs_but_those_with_a_rate(plan, tmp_path):
    found = [(run.arm, run.rate, run.seed, run.search) for run in plan.runs(tmp_path)]
    assert found == [
        *(("plain", rate, 9, True) for rate in (0.05, 0.1, 0.2)),
        ("fixed", 0.03, 1, False),
        ("fixed", 0.03, 0, False),
        *(("other", rate, 9, True) for rate in (0.05, 0.1, 0.2)),
    ]
    assert plan.unnamed(tmp_path) == 5


def test_the_best_rate_is_taken_and_a_rate_of_takes_it_too(plan, tmp_path):
    rates = finish_search(plan, "plain", tmp_path, {(0.05, 0): 0.5, (0.1, 0): 0.7, (0.2, 0): 0.6})
    assert rates == [(0.05, 0), (0.1, 0), (0.2, 0)]
    runs = [run for run in plan.runs(tmp_path) if not run.search]
    assert [(run.arm, run.rate, run.seed) for run in runs] == [
        ("plain", 0.1, 1), ("like_plain", 0.1, 1), ("fixed", 0.03, 1),
        ("plain", 0.1, 0), ("like_plain", 0.1, 0), ("fixed", 0.03, 0),
    ]  # fmt: skip
    assert runs[1].folder == tmp_path / "A" / "like_plain" / "seed1"


@pytest.mark.parametrize(
    ("accuracies", "beyond", "best"),
    [
        ({0.05: 0.8, 0.1: 0.7, 0.2: 0.6, 0.025: 0.9, 0.0125: 0.8}, [0.025, 0.0125], 0.025),
        ({0.05: 0.8, 0.1: 0.7, 0.2: 0.6, 0.025: 0.5}, [0.025], 0.05),
        ({0.05: 0.6, 0.1: 0.7, 0.2: 0.8, 0.4: 0.9, 0.8: 0.9}, [0.4, 0.8], 0.4),
    ],
)
def test_more_rates_beyond_as_long_as_the_last_is_best(plan, tmp_path, accuracies, beyond, best):
    accuracies = {(rate, 0): value for rate, value in accuracies.items()}
    rates = finish_search(plan, "plain", tmp_path, accuracies)
    assert rates[3:] == [(rate, 0) for rate in beyond]
    assert plan.best("A", "plain", tmp_path).rate == best


def test_choices_are_tried_at_the_best_rate(plan, tmp_path):
    accuracies = {(0.05, 0): 0.5, (0.1, 0): 0.7, (0.2, 0): 0.6, (0.1, 1): 0.8}
    assert finish_search(plan, "other", tmp_path, accuracies)[3:] == [(0.1, 1)]
    [run] = [run for run in plan.runs(tmp_path) if run.arm == "other" and not run.search]
    assert (run.rate, run.choice) == (0.1, 1)
    assert "--gin_param=DVN.temperature = 3.0" in plan.command(run)
    assert "--gin_param=DVN.temperature = 1.0" not in plan.command(run)


def test_commands_have_what_study_arm_and_search_say(plan, tmp_path):
    search, *_ = plan.runs(tmp_path)
    command = plan.command(search, data_dir="DATA")
    assert command == [
        sys.executable, "-m", "experiments.joint", "--gin_file=gin/quickstart.gin",
        "--gin_file=gin/methods/dvn.gin", "--gin_param=Recipe.epochs = 1",
        "--gin_param=Recipe.learning_rate = 0.05", "--gin_param=Task.test_fraction = 0.5",
        "--seed=9", f"--run_dir={search.folder}", "--data_dir=DATA",
    ]  # fmt: skip
    fixed = next(run for run in plan.runs(tmp_path) if run.arm == "fixed")
    assert not any("test_fraction" in part for part in plan.command(fixed))
    assert "--gin_param=Recipe.learning_rate = 0.03" in plan.command(fixed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('program = "joint"', 'program = "os"', "program must be one of"),
        ("rates = [0.2, 0.05, 0.1]", "rates = [0]", "positive rates"),
        ("rates = [0.2, 0.05, 0.1]", "", "positive rates"),
        ("search_seed = 9", "", "needs a search_seed"),
        ("search_seed = 9", "search_seed = 1", "would not be independent"),
        ('rate_of = "plain"', 'rate_of = "none"', "no arm with a search"),
        ('rate_of = "plain"', 'rate_of = "plain"\nrate = 0.1', "excludes"),
        ('study = "A"\narms = ["other"]', 'study = "B"\narms = ["other"]', "'B'"),
        ('arms = ["other"]', 'arms = ["another"]', "another"),
        ("seeds = [1, 0]", "seeds = [true]", "no whole numbers"),
        ("[studies.A]\n", "[studies.A]\nepochs = 3\n", "epochs"),
        ("[studies.A]\n", "[study]\n[studies.A]\n", "'study'"),
        ("[studies.A]\n", "[studies.A\n", "no TOML"),
    ],
)
def test_a_wrong_plan_is_one_line(tmp_path, old, new, message):
    assert old in PLAN
    (tmp_path / "plan.toml").write_text(PLAN.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as raised:
        plan_file.read_plan(tmp_path / "plan.toml")
    assert len(str(raised.value).splitlines()) == 1


def test_the_plan_of_the_results_is_one():
    plan = plan_file.read_plan(ROOT / "docs/results/plan.toml")
    for study in plan.studies.values():
        for file in study.gin_files:
            assert (ROOT / file).is_file()


def test_damaged_results_are_named(run_program, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    damaged = tmp_path / "search" / "A" / "plain" / "rate0.05"
    damaged.mkdir(parents=True)
    (damaged / "results.json").write_text('{"outputs": ')
    done = run_program(
        "experiments.plan", f"--plan={tmp_path / 'plan.toml'}", f"--runs_dir={tmp_path}"
    )
    assert f"{damaged / 'results.json'} is damaged" in one_line_error(done)


SMALL = """
[studies.A]
program = "joint"
gin_files = ["gin/quickstart.gin"]
gin_params = ["WideResNet.width = 1", "Recipe.epochs = 2", "Task.train_examples = 50"]
rates = [0.1]

[studies.A.arms.dvn]

[studies.A.arms.wrong]
gin_params = ["Recipe.batch_size = 5000"]

[[steps]]
study = "A"
arms = ["dvn", "wrong"]
seeds = [0, 1]
"""


def test_a_plan_is_done_over_several_sittings(run_program, tmp_path):
    (tmp_path / "plan.toml").write_text(SMALL)
    flags = [f"--plan={tmp_path / 'plan.toml'}", f"--runs_dir={tmp_path}", "--workers=2"]
    program = subprocess.Popen(
        [sys.executable, "-m", "experiments.plan", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(tmp_path.rglob("config.gin")):  # until a run has begun
        time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    printed, errors = program.communicate(timeout=120)
    assert program.returncode == 128 + signal.SIGINT
    assert errors.strip() == "interrupted: what is finished is kept; the same command goes on"
    assert "begun: A, dvn, seed 0\n" in printed and "stopped: A, dvn, seed 0\n" in printed
    assert not (tmp_path / "A/dvn/seed1").exists()

    done = run_program("experiments.plan", *flags)
    assert one_line_error(done).startswith("error: 2 of the runs failed, the first with status 1")
    assert "failed with status 1: A, wrong, seed 0" in done.stdout
    log = (tmp_path / "A/wrong/seed0.log").read_text()
    assert "A batch of 5000 images cannot be drawn" in log
    for seed in (0, 1):
        assert (tmp_path / f"A/dvn/seed{seed}/results.json").exists()
        assert f"done: A, dvn, seed {seed}: " in done.stdout
    assert "A, dvn: 2 of 2 runs, rate 0.1" in done.stdout
    assert "A, wrong: 0 of 2 runs, rate 0.1" in done.stdout

    before = (tmp_path / "A/dvn/seed0/results.json").stat().st_mtime_ns
    again = run_program("experiments.plan", *flags, "--dry_run")
    assert again.returncode == 0
    # The time is over before another run is begun.
    late = run_program("experiments.plan", *flags, "--minutes=0")
    assert (late.returncode, late.stdout) == (0, again.stdout)
    assert "2 runs of arms of which none is finished" in again.stdout
    assert (tmp_path / "A/dvn/seed0/results.json").stat().st_mtime_ns == before
