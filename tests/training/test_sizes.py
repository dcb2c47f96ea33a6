"""The gin files of sizes, on top of every scenario."""

import pathlib

import pytest

from dvn_tf.networks import accounting
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.tasks import TaskInfo
from dvn_tf.training import configuration
from dvn_tf.units import UnitPartition

ROOT = pathlib.Path(__file__).parents[2]
SCENARIOS = sorted(file.stem for file in (ROOT / "gin").glob("*.gin"))
SIZES = sorted(file.stem for file in (ROOT / "gin/sizes").glob("*.gin"))
on_every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


def read(*names):
    return configuration.read_experiment([f"gin/{name}.gin" for name in names])


def multiply_adds(backbone):
    image = TaskInfo("any", 10, (32, 32, 3))
    return accounting.cost(image, backbone, UnitPartition.even(1), (1,)).multiply_adds


def test_the_sizes():
    assert SIZES == ["trial", "two_cores"]


@pytest.mark.parametrize("size", SIZES)
@on_every_scenario
def test_every_size_makes_every_scenario_small(scenario, size):
    experiment = read(scenario, f"sizes/{size}")
    backbone = experiment.scenario.backbone
    assert backbone in (WideResNet(8, 2), ResNet(10, 16))
    assert multiply_adds(backbone) <= multiply_adds(WideResNet(8, 2))
    assert experiment.recipe.epochs <= 10
    assert {task.train_examples for task in experiment.scenario.tasks} <= {20, 1000}
    # What the size leaves alone is the scenario's.
    whole = read(scenario)
    assert experiment.scenario.table.rows == whole.scenario.table.rows
    assert experiment.recipe.weight_decay == whole.recipe.weight_decay


def test_the_size_of_the_committed_results_stays():
    for scenario in ("c10_split", "s1_cifar10"):
        experiment = read(scenario, "sizes/two_cores")
        recipe = experiment.recipe
        assert experiment.scenario.backbone == WideResNet(8, 2)
        assert [task.train_examples for task in experiment.scenario.tasks] == [1000, 1000]
        assert (recipe.epochs, recipe.batch_size, recipe.schedule) == (10, 64, "cosine")
        assert (recipe.evaluate_every, recipe.learning_rate) == (2, 0.1)


def test_the_two_networks_of_h1_keep_two_sizes():
    backbones = read("h1_cifar100", "methods/baseline", "sizes/two_cores").method.backbones
    assert backbones == (WideResNet(8, 1), WideResNet(8, 2))


def test_own_tasks_are_small_as_they_are():
    experiment = read("own_tasks")
    assert experiment.scenario.backbone == WideResNet(8, 2)
    assert experiment.recipe.epochs == 30
    assert [task.train_examples for task in experiment.scenario.tasks] == [None, None]
