"""Settings are data: neither a run folder nor a gin file runs code or leads to other files."""

import pathlib
import shutil

import pytest
from run_checks import one_line_error

import gin
from dvn_tf.errors import UserError
from dvn_tf.training import configuration

SHORT = (
    "--gin_param=Recipe.epochs = 1",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=Task.train_examples = 10",
)
DYNAMIC = """from __gin__ import dynamic_registration
import os
from dvn_tf.methods import scenario
{}
os.system.command = 'touch marker'
"""
# What a stranger may write; each makes the file `marker` where gin itself reads it.
HOSTILE = {
    "a call": DYNAMIC.format("scenario.Scenario.name = @os.system()"),
    "a scoped call": DYNAMIC.format("scenario.Scenario.name = @some/scope/os.system()"),
    "a call by a macro": DYNAMIC.format("seed = @os.system()\nscenario.Scenario.name = %seed"),
    "a call by a singleton": DYNAMIC.format(
        "one/gin.singleton.constructor = @os.system\nscenario.Scenario.name = @one/gin.singleton()"
    ),
    "a call in a list": DYNAMIC.format("scenario.Scenario.tasks = [@os.system()]"),
    "an import": "import hostile_module\n",
    "an import from": "from hostile_package import part\n",
    "an import by another name": "import hostile_module as Recipe\n",
    "an included import": "include 'hostile.gin'\n",
    "an include in a package": "include 'hostile_package/part/some.gin'\n",
}
MARK = "import pathlib\n\npathlib.Path('marker').touch()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with modules and files that make `marker` where they are run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "hostile_module.py").write_text(MARK)
    (tmp_path / "hostile_package" / "part").mkdir(parents=True)
    (tmp_path / "hostile_package" / "__init__.py").write_text(MARK)
    (tmp_path / "hostile_package" / "part" / "__init__.py").touch()
    (tmp_path / "hostile_package" / "part" / "some.gin").write_text("Recipe.epochs = 1\n")
    (tmp_path / "hostile.gin").write_text("import hostile_module\n")
    return tmp_path


@pytest.fixture(scope="module")
def finished(run_forked, tmp_path_factory):
    """A finished run of a sequence; its folder can be exported, timed and continued from."""
    cwd = tmp_path_factory.mktemp("finished")
    quick = "--gin_file=gin/quickstart_sequential.gin"
    done = run_forked("experiments.sequential", quick, *SHORT, "--run_dir=run", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "run"


@pytest.fixture
def hostile_run(finished, folder, request):
    """The run with another config.gin, as if a stranger had sent it."""
    run = folder / "run"
    shutil.copytree(finished, run)
    first, *others = (run / "config.gin").read_text().splitlines(keepends=True)
    text = HOSTILE[request.param]
    if text.startswith("from __gin__"):  # then gin takes no settings of another form
        others = []
    (run / "config.gin").write_text("".join([first, text, *others]))
    return run


@pytest.mark.parametrize("case", HOSTILE)
def test_a_text_runs_nothing(case, folder):
    files = {
        "file": lambda: configuration.read_experiment(["gin/quickstart.gin", "own.gin"]),
        "parameter": lambda: configuration.read_experiment(["gin/quickstart.gin"], [HOSTILE[case]]),
        "run": lambda: configuration.read_run_config("own.gin"),
    }
    (folder / "own.gin").write_text(HOSTILE[case])
    for name, read in files.items():
        if name != "run" and case == "an include in a package":
            read()  # the file is read, and its package is not imported
        else:
            with pytest.raises(UserError, match=r"refused|include no other file") as error:
                read()
            assert "\n" not in str(error.value)
        assert not (folder / "marker").exists()


@pytest.mark.parametrize("hostile_run", HOSTILE, indirect=True)
def test_an_exported_run_runs_nothing(hostile_run, folder, run_forked):
    done = run_forked(
        "experiments.export", "--run_dir=run", "--format=keras", "--level=1", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "No accuracy is measured" in done.stdout
    assert not (folder / "marker").exists()


@pytest.mark.parametrize("hostile_run", ["a call", "an import"], indirect=True)
def test_a_timed_run_runs_nothing(hostile_run, folder, run_forked):
    done = run_forked(
        "experiments.latency",
        *("--run_dir=run", "--format=keras", "--rounds=5", "--batch_size=1"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "marker").exists()


@pytest.mark.parametrize("flag", ["--initial_run", "--old_run"])
@pytest.mark.parametrize("hostile_run", ["a call", "an import"], indirect=True)
def test_an_initial_run_runs_nothing(hostile_run, flag, folder, run_forked):
    done = run_forked(
        "experiments.sequential",
        *("--gin_file=gin/quickstart_sequential.gin", *SHORT, f"{flag}=run", "--run_dir=new"),
        cwd=folder,
    )
    assert "refused" in one_line_error(done)
    assert not (folder / "marker").exists()
    assert not (folder / "new").exists()


@pytest.mark.parametrize("case", ["a call", "an import", "an included import"])
@pytest.mark.parametrize("program", ["joint", "benchmark"])
def test_a_gin_file_runs_nothing(case, program, folder, run_forked):
    (folder / "own.gin").write_text(HOSTILE[case])
    done = run_forked(
        f"experiments.{program}", "--gin_file=gin/quickstart.gin", "--gin_file=own.gin", cwd=folder
    )
    assert "refused" in one_line_error(done)
    assert not (folder / "marker").exists()
    assert not (folder / "runs").exists()


def test_the_module_that_a_flag_names_is_imported(folder):
    experiment = configuration.read_experiment(
        ["gin/quickstart.gin", "hostile.gin"], imports=["hostile_module"]
    )
    assert (folder / "marker").exists()
    assert experiment.imports == ("hostile_module",)
    assert "import hostile_module\n" in experiment.config
    pathlib.Path("config.gin").write_text(experiment.config)
    assert configuration.read_run_config("config.gin", ["hostile_module"]) == experiment
    with pytest.raises(UserError, match="add --gin_import=hostile_module "):
        configuration.read_run_config("config.gin")
    # gin's own imports are refused whatever is allowed.
    with pytest.raises(UserError, match="let a file call any function"):
        configuration.read_experiment(
            ["gin/quickstart.gin"], [HOSTILE["a call"]], ["os", "dvn_tf.training.recipe"]
        )


REGISTERING = """
import gin

@gin.register
def anything():
    open("marker", "w").close()
    return 3

gin.constant("registered.constant", anything)
"""


def test_what_other_packages_registered_cannot_be_called(folder, monkeypatch):
    (folder / "registering.py").write_text(REGISTERING)
    with gin.unlock_config():  # other tests may have read settings before
        __import__("registering")
    for binding in (
        "Recipe.seed = @anything()",
        "Recipe.seed = @scope/registering.anything()",
        "x = @anything()\nRecipe.seed = %x",
        "Recipe.milestones = {1: [@anything()]}",
        "one/gin.singleton.constructor = @anything\nRecipe.seed = @one/gin.singleton()",
        "one/singleton.constructor = %registered.constant\nRecipe.seed = @one/singleton()",
        "Recipe.seed = @registered.constant/gin.constant()",
        "Recipe.seed = %registered.constant",
        "anything.x = 3",
    ):
        with pytest.raises(UserError) as error:
            configuration.read_experiment(["gin/quickstart.gin"], [binding])
        assert "\n" not in str(error.value)
        assert not (folder / "marker").exists(), binding
    binding = ["Recipe.seed = @anything()"]
    read = configuration.read_experiment(["gin/quickstart.gin"], binding, ["registering"])
    assert read.recipe.seed == 3


def test_a_class_may_be_named_by_scopes_macros_and_singletons():
    experiment = configuration.read_experiment(
        ["gin/quickstart.gin"],
        [
            "depth = 14",
            "net/WideResNet.depth = %depth",
            "one/singleton.constructor = @net/WideResNet",
            "Scenario.backbone = @one/singleton()",
        ],
    )
    assert experiment.scenario.backbone.depth == 14
