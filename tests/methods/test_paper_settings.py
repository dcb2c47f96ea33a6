"""Every method on the paper's scenarios: stages, tables and shares of the parameters."""

import pathlib

import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.methods import METHODS
from dvn_tf.methods.da_cnn import AddedLayersHead
from dvn_tf.networks import accounting
from dvn_tf.networks.heads import Head
from dvn_tf.tasks import TaskInfo
from dvn_tf.training import configuration
from dvn_tf.units import UnitPartition

IMAGE = TaskInfo("any", 10, (32, 32, 3))
FILES = sorted(path.name for path in pathlib.Path("gin/methods").glob("*.gin"))
# Units end at whole channels. Rounding moves an edge by half a channel at most, on both sides of a
# kernel: of the 64 channels of the narrowest layer that is 2 * 0.5 / 64 of the parameters.
TOLERANCE = 1 / 64


def stages_of(scenario, method=None):
    files = [f"gin/{scenario}.gin"] + ([f"gin/methods/{method}.gin"] if method else [])
    experiment = configuration.read_experiment(files)
    epochs = experiment.recipe.epochs
    return experiment, experiment.method.stages(experiment.scenario, epochs)


def millions(stage, units):
    return accounting.cost(IMAGE, stage.backbone, stage.partition, units).parameters_paper / 1e6


def shares(scenario, method):
    """{(task, level): its share of all parameters}, as the stages have them in the end."""
    experiment, stages = stages_of(scenario, method)
    backbone = experiment.scenario.backbone
    whole = accounting.cost(IMAGE, backbone, UnitPartition.even(1), (1,)).parameters_paper / 1e6
    return {
        (task, level): millions(stage, units) / whole
        for stage in stages
        for task, row in zip(stage.tasks, stage.table.rows, strict=True)
        for level, units in enumerate(row, start=stage.first_level)
    }


def test_there_is_a_file_for_every_method():
    assert sorted(f"{method.name}.gin" for method in METHODS) == FILES


@pytest.mark.parametrize("scenario", ["j1_cifar", "s1_cifar10"])
@pytest.mark.parametrize("file", FILES)
def test_a_methods_file_goes_on_top_of_a_scenarios(file, scenario):
    method = file.removesuffix(".gin")
    only = {
        "lwf": "s1_cifar10",
        "feature_extraction": "s1_cifar10",
        "da_cnn": "s1_cifar10",
        "nestednet_single": "j1_cifar",
    }
    if only.get(method, scenario) != scenario:
        with pytest.raises(UserError, match=r"use it with a (joint|sequential) scenario"):
            stages_of(scenario, method)
        return
    experiment, stages = stages_of(scenario, method)
    assert experiment.method.name == method
    # Every task is learned for the same number of epochs, whatever the method.
    learned = {}
    for stage in stages:
        for task in stage.learned:
            # Separate networks learn each level of a task by itself.
            key = (task, stage.first_level if method == "separate" else None)
            learned[key] = learned.get(key, 0) + stage.epochs
    levels = (1, 2) if method == "separate" else (None,)
    names = [task.name for task in experiment.scenario.tasks]
    assert learned == {(name, level): 200 for name in names for level in levels}


# --------------------------------------------------------------- shares of the parameters


@pytest.mark.parametrize("method", ["nestednet", "packnet"])
@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("j1_cifar", (1 / 2, 1)),
        ("j2_tiny", (1 / 4, 2 / 4, 3 / 4, 1)),
        ("j3_scales", (4 / 16, 9 / 16, 1)),
        ("h1_cifar100", (1 / 4, 1)),
    ],
)
def test_nestednet_and_packnet_give_task_j_the_papers_share(scenario, expected, method):
    found = list(shares(scenario, method).values())
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert found[-1] == 1


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("j1_cifar", (1 / 4, 1)),
        ("j2_tiny", (1 / 16, 4 / 16, 9 / 16, 1)),
        ("j3_scales", (4 / 16, 9 / 16, 1)),
        ("h1_cifar100", (1 / 4, 1)),
    ],
)
@pytest.mark.parametrize("method", ["dvn", "nestednet_single"])
def test_every_task_of_a_dvn_has_the_papers_densities(scenario, expected, method):
    found = shares(scenario, method)
    for task in {task for task, _ in found}:
        levels = [share for (name, _), share in sorted(found.items()) if name == task]
        np.testing.assert_allclose(levels, expected, atol=TOLERANCE)


def test_nestednet_for_a_single_task_takes_the_first_units_at_every_level():
    _, stages = stages_of("j2_tiny", "nestednet_single")
    assert len(stages) == 4
    for stage in stages:
        assert stage.tasks == stage.learned == (stage.name,)
        assert stage.table.rows == (((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),)
        assert not stage.starts_from


def test_the_baselines_of_hierarchical_classification_are_both_backbones():
    _, stages = stages_of("h1_cifar100", "baseline")
    found = [(stage.tasks, stage.backbone.name, stage.first_level) for stage in stages]
    assert found == [
        (("coarse",), "WRN-32-2", 1),
        (("coarse",), "WRN-32-4", 2),
        (("fine",), "WRN-32-2", 1),
        (("fine",), "WRN-32-4", 2),
    ]
    sizes = [round(millions(stage, (1,)), 1) for stage in stages]
    assert sizes == [1.8, 7.4, 1.8, 7.4]
    assert len({stage.name for stage in stages}) == 4


@pytest.mark.parametrize(("scenario", "size"), [("s1_cifar10", 7.4), ("s2_cifar", 29.5)])
@pytest.mark.parametrize("method", ["lwf", "feature_extraction", "da_cnn", "baseline"])
def test_sequences_that_use_the_whole_backbone(scenario, size, method):
    _, stages = stages_of(scenario, method)
    assert {round(millions(stage, (1,)), 1) for stage in stages} == {size}
    assert {stage.partition.num_units for stage in stages} == {1}


@pytest.mark.parametrize(("scenario", "size"), [("s1_cifar10", 7.4), ("s2_cifar", 29.5)])
def test_a_sequential_dvn_learns_the_old_task_by_a_quarter_of_the_parameters(scenario, size):
    _, (first, second) = stages_of(scenario)
    assert first.table.rows == (((1,),),)
    assert second.table.rows == (((1,), (1, 2)), ((2,), (1, 2)))
    assert round(millions(second, (1, 2)), 1) == size
    for stage, units in ((first, (1,)), (second, (1,)), (second, (2,))):
        assert millions(stage, units) / millions(second, (1, 2)) == pytest.approx(
            0.25, abs=TOLERANCE
        )
    assert second.starts_from == (first.name,) == (second.teacher,)
    assert second.temperature == 2.0
    assert second.distillation_weight == 1.0


def test_da_cnn_adds_two_layers_of_the_features_width_for_the_new_task():
    _, (first, second) = stages_of("s1_cifar10", "da_cnn")
    assert first.head == Head()
    assert second.head == AddedLayersHead((256, 256))
    assert second.heads_only


def test_lwf_warms_the_new_head_up_for_a_tenth_of_the_epochs():
    _, (first, warmup, second) = stages_of("s1_cifar10", "lwf")
    assert [stage.epochs for stage in (first, warmup, second)] == [200, 20, 180]
    assert (first.heads_only, warmup.heads_only, second.heads_only) == (False, True, False)
    assert (warmup.teacher, second.teacher) == (None, first.name)
    assert (second.temperature, second.distillation_weight) == (2.0, 1.0)


# Fewer than two epochs leave none for a warm-up.
@pytest.mark.parametrize(
    ("epochs", "warmup", "expected"),
    [
        (10, 0.1, [10, 1, 9]),
        (3, 0.1, [3, 1, 2]),
        (2, 0.9, [2, 1, 1]),
        (5, 0.0, [5, 5]),
        (1, 0.1, [1, 1]),
    ],
)
def test_warm_up_and_rest_have_an_epoch_each_at_least(epochs, warmup, expected):
    params = [f"LwF.warmup = {warmup}", f"Recipe.epochs = {epochs}"]
    experiment = configuration.read_experiment(
        ["gin/quickstart_sequential.gin", "gin/methods/lwf.gin"], params
    )
    stages = experiment.method.stages(experiment.scenario, epochs)
    assert [stage.epochs for stage in stages] == expected


def test_the_joint_split_of_cifar_10_is_s1s():
    s1, joint = (
        configuration.read_experiment([f"gin/{n}.gin"]) for n in ("s1_cifar10", "c10_split")
    )
    assert joint.scenario.tasks == s1.scenario.tasks
    assert (joint.scenario.sequential, s1.scenario.sequential) == (False, True)


# --------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("files", "params", "message"),
    [
        (["s1_cifar10", "methods/dvn"], ["Scenario.num_units = 4"], "Scenario.num_units"),
        (["s1_cifar10", "methods/dvn"], ["Scenario.fractions = (0.3, 0.7)"], "Scenario.fractions"),
        (["s1_cifar10"], ["Experiment.method = 'lwf'"], "must be a method such as @DVN"),
        (["s1_cifar10", "methods/lwf"], ["LwF.warmup = 1.0"], "LwF.warmup"),
        (["s1_cifar10", "methods/da_cnn"], ["DACNN.added_layers = 0"], "DACNN.added_layers"),
        (["s1_cifar10"], ["Scenario.tasks = [@first/Task()]"], "at least two tasks"),
        (["j1_cifar"], ["Scenario.prefix_shares = (0.5,)"], "1 shares for 2 tasks"),
        (["h1_cifar100", "methods/baseline"], ["Baseline.backbones = ()"], "Baseline.backbones"),
        (
            ["j1_cifar", "methods/packnet"],
            ["Scenario.prefix_shares = (0.5, 0.4)"],
            "must be positive|sum to",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(files, params, message):
    with pytest.raises(UserError, match=message) as raised:
        experiment = configuration.read_experiment([f"gin/{file}.gin" for file in files], params)
        experiment.method.stages(experiment.scenario, experiment.recipe.epochs)
    assert "\n" not in str(raised.value)
