"""The quick check of gin files agrees with gin, and says what is wrong in one line."""

import dataclasses
import pathlib
import tokenize

import pytest

import gin
from dvn_tf.errors import UserError
from dvn_tf.training import configuration
from experiments import gin_check, gin_names

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "gin").rglob("*.gin"))


def test_names_are_those_of_gin_s_registry():
    registered = {
        entry.name: tuple(field.name for field in dataclasses.fields(entry.wrapped))
        for _, entry in gin.config._REGISTRY.items()  # gin has no public list
        if entry.module == "dvn_tf"
    }
    assert "Recipe" in registered
    assert gin_names.settings() == registered


def test_both_look_in_the_same_folder():
    assert gin_check.GIN_ROOT == configuration.GIN_ROOT


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_project_passes(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_check.check([file])


def test_every_form_of_gin_passes(tmp_path):
    file = tmp_path / "forms.gin"
    file.write_text(
        "include 'gin/quickstart.gin'\n"
        "size = 2  # a macro\n"
        "small/Task.classes = '0-4'\n"
        "dvn_tf.Recipe.epochs = %size\n"
        "Recipe:\n  batch_size = 32\n  milestones = (0.5,\n                0.7)\n"
        "Scenario.tasks = [@small/Task(), @gin.singleton()]\n"
        "Baseline.backbones = (@dvn_tf.WideResNet(), @narrow/ResNet())\n"
    )
    gin_check.check([str(file)], ["LwF.temperature = -1.5"])


def test_a_module_that_the_user_allows_may_register_more(tmp_path):
    file = tmp_path / "own.gin"
    file.write_text("import my_methods\nMyMethod.strength = 3\nExperiment.method = @MyMethod()\n")
    gin_check.check(["gin/quickstart.gin", str(file)], imports=["my_methods"])
    for imports in ([], ["my_method"], ["my_methods.part"], ["os"]):
        with pytest.raises(UserError, match=r"add --gin_import=my_methods ") as error:
            gin_check.check(["gin/quickstart.gin", str(file)], imports=imports)
        assert "\n" not in str(error.value)


def test_a_file_of_the_current_folder_wins(tmp_path, monkeypatch):
    (tmp_path / "gin").mkdir()
    (tmp_path / "gin" / "quickstart.gin").write_text("Recipe.epoch = 3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"Recipe\.epoch:"):
        gin_check.check(["gin/quickstart.gin"])
    with pytest.raises(UserError, match="epoch"):
        configuration.read_config(["gin/quickstart.gin"])


def test_a_file_in_a_python_package_is_found(tmp_path, monkeypatch, caplog):
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").touch()
    (tmp_path / "own_package" / "short.gin").write_text("Recipe.epoch = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="did you mean"):
        gin_check.check(["own_package/short.gin"])
    (tmp_path / "own_package" / "short.gin").write_text("Recipe.epochs = 3\n")
    gin_check.check(["gin/quickstart.gin", "own_package/short.gin"])
    _, recipe, _ = configuration.read_config(["gin/quickstart.gin", "own_package/short.gin"])
    assert recipe.epochs == 3
    assert not caplog.records


# {text: what the error says}
BAD = {
    "Recipe.epochs = 3\n\nRecipe.epoch = 3\n": (
        "there is no setting Recipe.epoch: did you mean Recipe.epochs? (line 3 of bad.gin)"
    ),
    "Recipe.colour = 3\n": "Recipe.colour: choose among Recipe.batch_size, ",
    "Recipe:\n  epochs = 3\n  epoch = 3\n": "Recipe.epochs? (line 3 of bad.gin)",
    "Recipes.epochs = 3\n": "there is no setting Recipes.epochs: did you mean Recipe?",
    "Recipes:\n  epochs = 3\n": "there is no setting Recipes: did you mean Recipe?",
    "Scenario.backbone = @WideResnet()\n": "there is no @WideResnet: did you mean @WideResNet?",
    "DVN.warmup = 3\n": "there is no setting DVN.warmup: choose among DVN.",
    "DVN.title = 'x'\n": "there is no setting DVN.title",
    "include 'gin/base/cifra.gin'\n": "no gin file gin/base/cifra.gin: did you mean gin/base/cifar",
    "include 'elsewhere/own.gin'\n": "there is no gin file elsewhere/own.gin",
    "include 'bad.gin'\n": "the gin file bad.gin includes itself",
    "Recipe.epochs = (3,\n": "multi-line statement (bad.gin)",
    "Recipe.epochs 3\n": "expected ':' or '=' (line 1 of bad.gin)",
    "\nRecipe.dtype = float32\n": "Failed to parse token 'float32'; put text in quotes (line 2 of",
    "Recipe.dtype = 'float32\n": "(line 1 of bad.gin)",
    "Recipe.epochs = 3\n  Recipe.seed = 3\n Recipe.momentum = 3\n": "line 3 of bad.gin",
    "Recipe.epochs = \n": "line 1 of bad.gin",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_files(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.gin").write_text(text)
    with pytest.raises(UserError) as error:
        gin_check.check(["bad.gin"])
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)
    # What the quick check refuses, gin refuses too.
    with pytest.raises((UserError, tokenize.TokenError)):
        configuration.read_config(["gin/quickstart.gin", "bad.gin"])


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="no gin file"):
        gin_check.check([str(tmp_path)])
    (tmp_path / "binary.gin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"cannot read the gin file .*binary.gin"):
        gin_check.check([str(tmp_path / "binary.gin")])
