"""Settings of the wrong kind or range: one error of one line, soon, and nothing is written."""

import math
import random
import time

import pytest
import wrong_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from run_checks import one_line_error

from dvn_tf import settings
from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.methods import LwF
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.training import configuration
from dvn_tf.training.configuration import CONFIGURABLES
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.recipe import Recipe
from dvn_tf.units import UnitPartition, UnitTable

SECONDS = 5.0  # far more than the slowest takes
FIELDS = [
    (cls, field, hint)
    for cls in CONFIGURABLES
    for field, hint in settings.field_hints(cls).items()
    if cls is not Experiment or field == "method"
]


def refused(params, files=("gin/quickstart.gin",)):
    """The error that gin parameters lead to, after checking its form."""
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        configuration.read_experiment(files, params)
    assert time.monotonic() - start < SECONDS, params
    message = str(error.value)
    assert message and message.isprintable(), params  # no line break either
    assert len(message) < 2000, params
    return message


@pytest.mark.parametrize(
    ("cls", "field", "hint"), FIELDS, ids=[f"{cls.__name__}.{field}" for cls, field, _ in FIELDS]
)
def test_every_wrong_value_of_every_field_is_refused(cls, field, hint):
    values = wrong_settings.wrong_values(hint)
    assert len(values) >= 5
    for value in values:
        refused([f"{cls.__name__}.{field} = {value}"])


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_drawn_settings_are_refused(rng):
    refused([wrong_settings.wrong_bindings(rng)])


@pytest.mark.parametrize("binding", wrong_settings._BINDINGS)
def test_listed_settings_are_refused(binding):
    refused([binding])


def test_programs_refuse_them_in_one_line(run_forked, tmp_path):
    rng = random.Random(9)
    for _ in range(10):
        binding = wrong_settings.wrong_bindings(rng)
        if len(binding) > 100_000 or "\0" in binding:  # what no command line takes
            continue
        done = run_forked(
            "experiments.joint",
            *("--gin_file=gin/quickstart.gin", f"--gin_param={binding}"),
            cwd=tmp_path,
        )
        assert one_line_error(done)
        assert not any(tmp_path.iterdir()), binding


# {what is made: the error that it leads to}; the annotations' words in whole sentences
ERRORS = {
    lambda: Recipe(epochs=True): (
        "Recipe.epochs must be a whole number from 1 to 100,000, not True"
    ),
    lambda: Recipe(learning_rate=math.nan): (
        "Recipe.learning_rate must be a number from 0 to 1e+38, not nan"
    ),
    lambda: Recipe(momentum=1.0): "Recipe.momentum must be a number from 0 to below 1, not 1.0",
    lambda: Recipe(deterministic="False"): (
        "Recipe.deterministic must be True or False, not 'False'"
    ),
    lambda: Recipe(schedule="linear"): (
        "Recipe.schedule must be 'step', 'cosine' or 'constant', not 'linear'"
    ),
    lambda: Recipe(milestones="0.5"): (
        "Recipe.milestones must be a list of numbers above 0 and below 1, with 0 to 1,000 "
        "elements, not '0.5'"
    ),
    lambda: Recipe(seed=-1): ("Recipe.seed must be a whole number from 0 to 4,294,967,295, not -1"),
    lambda: WideResNet(depth=8.0): (
        "WideResNet.depth must be a whole number from 1 to 1,000, not 8.0"
    ),
    lambda: ResNet(10, 0x10**200): (
        "ResNet.base_width must be a whole number from 1 to 1,024, not a number of 801 bits"
    ),
    lambda: WideResNet(992, 64): (
        "WRN-992-64 would have 65,399,685,120 parameters, and at most 1,073,741,824 are possible: "
        "use a smaller depth or width"
    ),
    lambda: LwF(temperature=0): (
        "LwF.temperature must be a number above 0 and at most 1,000, not 0"
    ),
    lambda: Task("low", "digits", image_size="64"): (
        "Task 'low': image_size must be a whole number from 1 to 4,096 or None, not '64'"
    ),
    lambda: Task("a/b", "digits"): (
        "Task.name must be a name of at most 100 letters, digits, '_' and '-', not 'a/b'"
    ),
    lambda: Task("low", "digits", classes="0-99999999999"): (
        "Task 'low': classes '0-99999999999' are too many: a task has at most 100,000, numbered "
        "up to 1,000,000."
    ),
    lambda: Scenario("../up", [Task("low", "digits")], WideResNet()): (
        "Scenario.name must be a name of at most 100 letters, digits, '_' and '-', not '../up'"
    ),
    lambda: Scenario("x", [Task("low", "digits")], WideResNet): (
        "Scenario.backbone must be a backbone such as @WideResNet(), not "
        "<class 'dvn_tf.networks.backbones.WideResNet'>"
    ),
    lambda: UnitPartition.even(10**12): "a network has at most 256 units: use fewer",
    lambda: UnitPartition(0.5): "the channel fractions must be a list of finite numbers, not 0.5",
    lambda: UnitTable.by_rule(2, num_units=10**12): (
        "a network has at most 256 tasks, units and levels: use fewer"
    ),
    lambda: UnitTable.by_rule(True): "the number of tasks must be a whole number, not True",
    lambda: UnitTable([[range(1, 10**12)]]): (
        "a network has at most 256 tasks, levels and units: use fewer"
    ),
    lambda: UnitTable([[[10**12]]]): "a network has at most 256 units: use fewer",
}


@pytest.mark.parametrize("make", ERRORS, ids=range(len(ERRORS)))
def test_errors_say_what_is_right_and_what_was_given(make):
    with pytest.raises(UserError) as error:
        make()
    assert str(error.value) == ERRORS[make]


def test_settings_are_kept_as_they_were_given():
    recipe = Recipe(milestones=[0.5, 0.75], learning_rate=1, epochs=3)
    assert recipe.milestones == (0.5, 0.75)
    assert (recipe.learning_rate, type(recipe.learning_rate)) == (1, int)
    assert hash(recipe)


def test_settings_that_only_fit_together_are_checked_before_a_run():
    for params, message in (
        (["Recipe.warmup_epochs = 1.0", "Recipe.epochs = 3", "LwF.warmup = 0.9"], "fewer than"),
        (["low/Task.name = 'average'"], "a run uses that name itself"),
        (["low/Task.name = 'a_warmup'", "high/Task.name = 'a'"], "in one folder"),
    ):
        files = ["gin/quickstart_sequential.gin", "gin/methods/lwf.gin"]
        assert message in refused(params, files)
    files = ["gin/quickstart.gin", "gin/methods/lwf.gin"]
    assert "use it with a sequential scenario" in refused([], files)
    packnet = ["gin/quickstart.gin", "gin/methods/packnet.gin"]
    assert "gets none" in refused(["Scenario.prefix_shares = (0.999, 1.0)"], packnet)


# {case: what the name of a gin file leads to}
def _pipe(folder):
    import os

    os.mkfifo(folder / "pipe.gin")
    return "pipe.gin"


def _large(folder):
    (folder / "large.gin").write_text("# comment\n" * 100_000)
    return "large.gin"


def _long_line(folder):
    (folder / "line.gin").write_text("Recipe.epochs = " + " " * 20_000 + "3\n")
    return "line.gin"


def _many_strings(folder):
    (folder / "strings.gin").write_text("Scenario.name = (\n" + "''\n" * 50_000 + ")\n")
    return "strings.gin"


def _undecodable(folder):
    (folder / "bytes.gin").write_bytes(b"Recipe.epochs = 3 # \xff\n")
    return "bytes.gin"


def _include_bomb(folder):
    for number in range(8):
        text = f"include 'bomb{number + 1}.gin'\n" * 10 if number < 7 else "Recipe.epochs = 3\n"
        (folder / f"bomb{number}.gin").write_text(text)
    return "bomb0.gin"


FILES = {
    "folder": lambda folder: ".",
    "root": lambda folder: "/",
    "empty name": lambda folder: "",
    "pipe": _pipe,
    "device": lambda folder: "/dev/zero",
    "null byte": lambda folder: "a\0b.gin",
    "long name": lambda folder: "x" * 100_000,
    "long path": lambda folder: "x/" * 3_000 + "y.gin",
    "undecodable name": lambda folder: "\udcff.gin",
    "large": _large,
    "long line": _long_line,
    "many strings": _many_strings,
    "undecodable": _undecodable,
    "include bomb": _include_bomb,
}


@pytest.mark.parametrize("case", FILES)
def test_gin_files_that_are_none(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = FILES[case](tmp_path)
    refused([], ["gin/quickstart.gin", name])
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        configuration.read_run_config(name)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < SECONDS
