"""The affinity program end to end: a short run, its table, a run with that table, an export."""

import itertools
import json
import re
import shutil

import pytest
from PIL import Image
from run_checks import one_line_error

from dvn_tf.errors import UserError
from dvn_tf.training import configuration
from dvn_tf.training.affinity_report import learn_table

SHORT = (
    "--gin_file=gin/quickstart.gin",
    "--gin_param=Scenario.name = 'three'",
    "--gin_param=Scenario.tasks = [@low/Task(), @middle/Task(), @high/Task()]",
    "--gin_param=low/Task.name = 'digits_0-2'",
    "--gin_param=low/Task.classes = '0-2'",
    "--gin_param=middle/Task.name = 'digits_3-5'",
    "--gin_param=middle/Task.classes = '3-5'",
    "--gin_param=high/Task.name = 'digits_6-9'",
    "--gin_param=high/Task.classes = '6-9'",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=Recipe.epochs = 2",
)
BALANCED = "--gin_file=gin/learning/balanced_table.gin"
TASKS = ("digits_0-2", "digits_3-5", "digits_6-9")


@pytest.fixture(scope="module")
def cwd(tmp_path_factory):
    """A folder with a finished run of the balanced table, in which units are no neighbours."""
    return tmp_path_factory.mktemp("affinity")


@pytest.fixture(scope="module")
def run(run_forked, cwd):
    done = run_forked("experiments.joint", *SHORT, BALANCED, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "runs/three/dvn_balanced/seed0"


@pytest.fixture(scope="module")
def learned(run_program, run, cwd):
    """What the program printed, and its gin file; in a process of its own, as users see it."""
    done = run_program("experiments.affinity", f"--run_dir={run}", "--images=300", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, run / "affinity.gin"


def read(*files):
    params = [flag.partition("=")[2] for flag in SHORT if flag.startswith("--gin_param")]
    return configuration.read_experiment(["gin/quickstart.gin", *map(str, files)], params)


def cells(printed, first):
    """The cells of a printed table: {task: [cells]}."""
    lines = printed.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first}"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:]]
    return {name: others for name, *others in itertools.takewhile(bool, rows) if name in TASKS}


def test_the_run_used_units_that_are_no_neighbours(run):
    outputs = json.loads((run / "results.json").read_text())["outputs"]
    assert outputs["digits_6-9/level2"]["units"] == [1, 3]
    assert (run / "table.png").is_file()


def test_the_file_and_what_is_printed_say_the_same(learned, run):
    printed, file = learned
    experiment = read(file)
    scenario = experiment.scenario
    assert (experiment.method_name, scenario.table_rule) == ("dvn_learned", "learned")
    assert str(run) in file.read_text().splitlines()[0]
    shown = cells(printed, "affinity")
    assert tuple(shown) == TASKS
    for task, row in zip(TASKS, scenario.affinity, strict=True):
        assert shown[task] == [f"{share:.2%}" for share in row]
        assert all(0.3 < share <= 1 for share in row)
    # Step 2 is one of the two permutations that give no task its own unit again.
    a = scenario.affinity
    both = {(2, 3, 1): a[0][1] + a[1][2] + a[2][0], (3, 1, 2): a[0][2] + a[1][0] + a[2][1]}
    second, third = sorted(both, key=lambda units: (-round(both[units], 6), units))
    expected = [f"{task} {second[task - 1]} {third[task - 1]}" for task in (1, 2, 3)]
    orders = cells(printed, "units enter")
    assert [orders[task] for task in TASKS] == [
        [paper, learned]
        for paper, learned in zip(("1 2 3", "2 1 3", "3 2 1"), expected, strict=True)
    ]
    assert scenario.table.rows == tuple(
        tuple(tuple(sorted(map(int, order.split()[:level]))) for level in (1, 2, 3))
        for order in expected
    )


def test_the_picture_has_both_halves(learned):
    with Image.open(learned[1].with_suffix(".png")) as picture:
        width, height = picture.size
        assert width > 1.5 * height
        for half in ((0, 0, width // 2, height), (width // 2, 0, width, height)):
            colours = picture.convert("RGB").crop(half).getcolors(maxcolors=2**24)
            assert sum(max(colour) - min(colour) > 60 for _, colour in colours) >= 2


def test_the_learned_table_trains_and_exports(learned, run_forked, cwd):
    done = run_forked("experiments.joint", *SHORT, f"--gin_file={learned[1]}", cwd=cwd)
    assert done.returncode == 0, done.stderr
    run = cwd / "runs/three/dvn_learned/seed0"
    results = json.loads((run / "results.json").read_text())
    table = read(learned[1]).scenario.table
    for task, level in itertools.product((1, 2, 3), repeat=2):
        output = results["outputs"][f"{TASKS[task - 1]}/level{level}"]
        assert tuple(output["units"]) == table.units(task, level)
    assert configuration.read_run_config(run / "config.gin").scenario.table == table
    check_export(run, run_forked, "keras")


def test_exports_of_units_that_are_no_neighbours(run, run_forked):
    check_export(run, run_forked, "litert")


def check_export(run, run_forked, kind):
    """Every file classifies as many test images correctly as its network did in training."""
    folder = run.parent / f"export_{kind}"
    done = run_forked(
        "experiments.export",
        *(f"--run_dir={run}", f"--export_dir={folder}", f"--format={kind}"),
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads((run / "results.json").read_text())["outputs"]
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert len(files) == len(outputs)
    for file in files:
        output = outputs[f"{file['task']}/level{file['level']}"]
        assert file["units"] == output["units"]
        # Folded and in another runtime, an image may cross a border.
        assert abs(file["accuracy"] - output["accuracy"]) <= 1.5 / file["test_examples"]


# ---------------------------------------------------------------------------- bad input


def test_the_same_command_measures_again_and_other_files_are_kept(learned, run, tmp_path):
    before = learned[1].read_text()
    assert learn_table(run, num_images=300) == learned[1]
    assert learned[1].read_text() == before  # the same images, the same numbers
    for name in ("mine.gin", "drawn.png"):
        file = tmp_path / name
        file.write_text("mine")
        with pytest.raises(UserError, match="choose another --out"):
            learn_table(run, file.with_suffix(".gin"), 300)
        assert file.read_text() == "mine"
    assert not (tmp_path / "drawn.gin").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "results.json").unlink(), "holds no finished run"),
        (lambda run: (run / "model.keras").unlink(), "holds no trained network"),
        (
            lambda run: edit(run, "DVN.temperature = 2.0", "Experiment.method = @NestedNet()"),
            "holds a joint run of NestedNet: affinities need a joint run of the DVN",
        ),
        (
            lambda run: edit(
                run,
                *("Scenario.sequential = False", "Scenario.sequential = True"),
                *("Scenario.table_rule = 'balanced'", ""),
            ),
            "holds a sequential run of DVN: affinities need a joint run",
        ),
        (
            lambda run: edit(run, "'digits_3-5'", "'another'"),
            "is not of its model.keras, which has the tasks digits_0-2, digits_3-5, digits_6-9",
        ),
        (
            lambda run: edit(run, "classes = '0-2'", "classes = '0-1'"),
            "the data of task 'digits_0-2' has changed since the run was trained (2 classes",
        ),
        (
            lambda run: edit(run, "Task.dataset = 'digits'", "Task.dataset = 'folder:/no/such'"),
            "/no/such",
        ),
    ],
)
def test_runs_that_give_no_table(damage, message, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("affinity.*"))
    damage(copy)
    with pytest.raises(UserError) as error:
        learn_table(copy)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not list(copy.glob("affinity.*"))


def edit(run, *changes):
    text = (run / "config.gin").read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (run / "config.gin").write_text(text)


def test_a_path_cannot_write_settings(run, tmp_path):
    """It stands in a comment, and a line end in it must not end the comment."""
    copy, out = tmp_path / "a\nRecipe.epochs = 7\n#", tmp_path / "out.gin"
    shutil.copytree(run, copy)
    learn_table(copy, out, 30)
    assert re.match(r"# The learned table of .*a Recipe.epochs = 7 #", out.read_text())
    assert read(out).recipe.epochs == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("table.txt", "must end with .gin"),
        ("", "the path is empty"),
        ("file/table.gin", "is no folder"),
        ("folder.gin", "this is no file"),
        ("y" * 300 + ".gin", "File name too long"),
    ],
)
def test_files_that_cannot_be_written(path, message, run_python, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.gin").mkdir()
    code = "import runpy; runpy.run_module('experiments.affinity', run_name='__main__')"
    done = run_python(code, tmp_path, ["--run_dir=.", f"--out={path}"])
    line = one_line_error(done)
    assert message in line and "--out" in line
