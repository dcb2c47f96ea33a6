"""Every gin file of the project: it parses strictly and reaches the objects."""

import math
import pathlib

import pytest

from dvn_tf import data
from dvn_tf.errors import UserError
from dvn_tf.networks import accounting
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.training import configuration, fitting

ROOT = pathlib.Path(__file__).parents[2]
SCENARIOS = sorted(file.name for file in (ROOT / "gin").glob("*.gin"))


def test_all_scenarios_are_here():
    assert {"quickstart.gin", "j1_cifar.gin", "j2_tiny.gin", "j3_scales.gin", "h1_cifar100.gin"} < {
        *SCENARIOS
    }


def test_the_gin_folder_does_not_hide_the_gin_package():
    assert not (ROOT / "gin" / "__init__.py").exists()


@pytest.mark.parametrize("name", SCENARIOS)
def test_parses_strictly(name):
    scenario, recipe, config = configuration.read_config([f"gin/{name}"])
    assert scenario.name
    assert recipe.momentum == 0.9  # section 4.2, in every scenario
    assert f"Recipe.epochs = {recipe.epochs}" in config


@pytest.mark.parametrize(
    "file", sorted((ROOT / "gin" / "base").glob("*.gin")), ids=lambda f: f.stem
)
def test_base_files_are_used(file):
    including = [
        f.name for f in (ROOT / "gin").glob("*.gin") if f"base/{file.name}" in f.read_text()
    ]
    assert including


# task names, units, level 1 of every task, backbone, batch size: sections 4.2 to 4.4
PAPER = {
    "j1_cifar.gin": (["cifar10", "cifar100"], 2, [(1,), (2,)], WideResNet(32, 4), 128),
    "j2_tiny.gin": (
        [f"tiny_imagenet_{n}" for n in (1, 2, 3, 4)],
        4,
        [(1,), (2,), (3,), (4,)],
        ResNet(42),
        64,
    ),
    "j3_scales.gin": (
        ["tiny_imagenet", "cifar100", "stl10"],
        4,
        [(1, 2), (2, 3), (3, 4)],
        ResNet(42),
        64,
    ),
    "h1_cifar100.gin": (["coarse", "fine"], 2, [(1,), (2,)], WideResNet(32, 4), 128),
}
# parameters in millions by level (J1 and H1: text and Table 3; J2: Table 2; J3: section 4.3)
MILLIONS = {
    "j1_cifar.gin": [1.8, 7.4],
    "j2_tiny.gin": [1.9, 7.5, 16.8, 29.8],
    "j3_scales.gin": [7.5, 16.8, 29.8],
    "h1_cifar100.gin": [1.8, 7.4],
}


@pytest.mark.parametrize("name", PAPER)
def test_paper_settings(name):
    tasks, units, first_levels, backbone, batch_size = PAPER[name]
    scenario, recipe, _ = configuration.read_config([f"gin/{name}"])
    assert [task.name for task in scenario.tasks] == tasks
    assert scenario.table.num_units == units
    assert [row[0] for row in scenario.table.rows] == first_levels
    assert scenario.backbone == backbone
    assert recipe.batch_size == batch_size


@pytest.mark.parametrize("name", PAPER)
def test_network_builds_at_paper_size(name):
    scenario, recipe, _ = configuration.read_config([f"gin/{name}"])
    tasks = [data.task_info(task) for task in scenario.tasks]
    network = fitting.build_network(scenario, tasks, recipe)
    assert {name: logits.shape for name, logits in network.output.items()} == {
        name: (None, task.num_classes) for name, (task, _, _) in network.virtual_networks.items()
    }
    # The built kernels, all units together, are what the top level counts.
    kernels = sum(
        math.prod(layer.kernel.shape)
        for layer in network.layers
        if type(layer).__name__ == "UnitConv2D"
    )
    counted = accounting.costs(tasks, scenario.table, scenario.backbone, scenario.partition)
    top = len(scenario.table.rows[0])
    assert counted[f"{tasks[0].name}/level{top}"].parameters_paper == kernels
    for task in tasks:
        millions = [
            round(counted[f"{task.name}/level{level}"].parameters_paper / 1e6, 1)
            for level in range(1, top + 1)
        ]
        assert millions == MILLIONS[name]


def test_j2_splits_the_200_classes():
    scenario, _, _ = configuration.read_config(["gin/j2_tiny.gin"])
    classes = [index for task in scenario.tasks for index in task.class_indices()]
    assert classes == list(range(200))


def test_parameters_go_over_files():
    scenario, recipe, config = configuration.read_config(
        ["gin/j1_cifar.gin"], ["WideResNet.depth = 14", "Recipe.seed = 7"]
    )
    assert scenario.backbone.depth == 14
    assert recipe.seed == 7
    assert "WideResNet.depth = 14" in config


def test_operative_configuration_can_be_read_again(tmp_path):
    first = configuration.read_config(["gin/j3_scales.gin"], ["Recipe.epochs = 3"])
    file = tmp_path / "config.gin"
    file.write_text(first[2])
    assert configuration.read_config([str(file)]) == first


def test_gin_logs_nothing_where_it_searches(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    configuration.read_config(["gin/s1_cifar10.gin"])
    with pytest.raises(UserError, match="no/such"):
        configuration.read_config(["no/such/file.gin"])
    assert not caplog.records


def test_one_reading_leaves_nothing_to_the_next():
    configuration.read_config(["gin/quickstart.gin"], ["Recipe.momentum = 0.5"])
    _, recipe, _ = configuration.read_config(["gin/quickstart.gin"])
    assert recipe.momentum == 0.9


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("Recipe.epoch = 3", "epoch"),
        ("Recipes.epochs = 3", "Recipes"),
        ("Recipe.epochs = three", "three"),
        ("Recipe.epochs = 0", "must be a whole number from 1 to 100,000, not 0"),
        ("Recipe.schedule = 'linear'", "'step', 'cosine' or 'constant'"),
        ("Recipe.warmup_epochs = 200", "fewer than the 200 epochs"),
        ("WideResNet.depth = 30", "no wide residual network of depth 30"),
        ("Scenario.num_levels = 3", "3 levels need at least 3 units"),
        ("Scenario.num_units = 3", "3"),
        ("Scenario.fractions = (0.999, 0.001)", "unit 2 gets none"),
        ("Scenario.fractions = (0.5, 0.6)", "sum to 1"),
        ("Scenario.rows = (((1,), (2,)), ((2,), (1, 2)))", "nested"),
        ("cifar10/Task.classes = '0-4,2'", "twice"),
    ],
)
def test_bad_settings(param, message):
    params = [param]
    if param.startswith("Scenario.num_units"):
        params.append("Scenario.fractions = (0.5, 0.5)")
    with pytest.raises(UserError) as error:
        configuration.read_config(["gin/j1_cifar.gin"], params)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file():
    with pytest.raises(UserError, match="no_such"):
        configuration.read_config(["gin/no_such.gin"])
    with pytest.raises(UserError, match="--gin_file"):
        configuration.read_config([])
