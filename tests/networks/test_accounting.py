"""The paper's own numbers, and counts of networks that were really built."""

import math

import keras
import pytest

from dvn_tf.networks.accounting import Cost, cost, costs
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable

CIFAR10 = TaskInfo("cifar10", 10, (32, 32, 3))
CIFAR100 = TaskInfo("cifar100", 100, (32, 32, 3))
COARSE = TaskInfo("coarse", 20, (32, 32, 3))
TINY = TaskInfo("tiny", 200, (64, 64, 3))
STL10 = TaskInfo("stl10", 10, (96, 96, 3))


def whole(backbone, task=CIFAR10):
    return cost(task, backbone, UnitPartition.even(1), (1,))


def millions(parameters, digits=1):
    return round(parameters / 1e6, digits)


def parameters_by_level(found, task, digits=1):
    """The paper's counts of a task's levels in millions."""
    return [
        millions(c.parameters_paper, digits)
        for name, c in found.items()
        if name.startswith(f"{task.name}/")
    ]


# ---------------------------------------------------------------------------- the paper's counts


def test_j1_and_h1_wrn_32_4_with_two_units():
    # 3x3 convolutions and projections of 3 groups, five blocks each, by hand.
    widths = [16, 64, 128, 256]
    by_hand = sum(9 * a * b + a * b + 9 * 9 * b * b for a, b in zip(widths, widths[1:]))  # noqa: B905, RUF007
    assert whole(WideResNet(32, 4)).parameters_paper == by_hand == 7_387_136
    for tasks in ([CIFAR10, CIFAR100], [COARSE, CIFAR100]):
        found = costs(tasks, UnitTable.by_rule(2), WideResNet(32, 4))
        assert list(found) == [f"{t.name}/level{level}" for t in tasks for level in (1, 2)]
        for task in tasks:
            assert parameters_by_level(found, task, digits=2) == [1.85, 7.39]
            assert found[f"{task.name}/level2"].parameters_paper == 7_387_136
    assert millions(7_387_136) == 7.4


def test_h1_baselines_are_of_the_size_of_the_levels():
    assert math.floor(whole(WideResNet(32, 2)).parameters_paper / 1e5) / 10 == 1.8
    half = costs([CIFAR10, CIFAR100], UnitTable.by_rule(2), WideResNet(32, 4))["cifar10/level1"]
    assert half.parameters_paper == whole(WideResNet(32, 2)).parameters_paper


def test_s2_wrn_32_8():
    assert millions(whole(WideResNet(32, 8)).parameters_paper) == 29.5


def test_resnet_42_without_projections():
    widths = [64, 64, 128, 256, 512]
    by_hand = sum(9 * a * b + 9 * 9 * b * b for a, b in zip(widths, widths[1:]))  # noqa: B905, RUF007
    assert whole(ResNet(42)).parameters_paper == by_hand
    assert millions(by_hand, 2) == 29.79
    assert millions(by_hand) == 29.8
    projections = sum(a * b for a, b in zip(widths[1:], widths[2:]))  # noqa: B905, RUF007
    assert millions(by_hand + projections, 2) == 29.96


def test_j2_table_2():
    tasks = [TaskInfo(f"tiny{i}", 50, (64, 64, 3)) for i in range(1, 5)]
    found = costs(tasks, UnitTable.by_rule(4), ResNet(42))
    assert len(found) == 16
    for task in tasks:
        levels = [found[f"{task.name}/level{level}"] for level in (1, 2, 3, 4)]
        published = [1.9, 7.5, 16.8, 29.8]
        assert parameters_by_level(found, task) == published
        # The densities and compression rates that the paper prints are of its rounded counts...
        assert [round(100 * m / 29.8, 1) for m in published] == [6.4, 25.2, 56.4, 100.0]
        assert [round(29.8 / m, 1) for m in published] == [15.7, 4.0, 1.8, 1.0]
        # ...the exact ones lie nearer to 1/16, 4/16 and 9/16, as it says in section 4.3.
        assert [round(100 * level.density, 2) for level in levels] == [6.27, 25.03, 56.27, 100]


def test_j3_levels_of_two_three_and_four_units():
    tasks = [TINY, CIFAR100, STL10]
    table = UnitTable.by_rule(3, num_units=4, level_sizes=(2, 3, 4))
    found = costs(tasks, table, ResNet(42))
    for task in tasks:
        assert parameters_by_level(found, task) == [7.5, 16.8, 29.8]


def test_j1_packnet_and_nestednet_halve_the_parameters():
    partition = UnitPartition.by_parameters((1 / 2, 1))
    found = costs([CIFAR10, CIFAR100], UnitTable.prefix(2), WideResNet(32, 4), partition)
    assert found["cifar10/level1"].density == pytest.approx(0.5, abs=0.005)
    assert found["cifar100/level1"].density == 1


def test_j2_packnet_and_nestednet_quarter_the_parameters():
    tasks = [TaskInfo(f"tiny{i}", 50, (64, 64, 3)) for i in range(1, 5)]
    partition = UnitPartition.by_parameters((1 / 4, 2 / 4, 3 / 4, 1))
    found = costs(tasks, UnitTable.prefix(4), ResNet(42), partition)
    densities = [c.density for c in found.values()]
    assert densities == pytest.approx([0.25, 0.5, 0.75, 1], abs=0.01)


def test_units_of_one_size_cost_the_same_wherever_they_lie():
    for units in [(1,), (2,), (3,), (4,)]:
        assert cost(TINY, ResNet(42), UnitPartition.even(4), units) == cost(
            TINY, ResNet(42), UnitPartition.even(4), (1,)
        )


# ---------------------------------------------------------------------------- built networks


def multiply_adds(network):
    """Positions times weights of each convolution, from the shapes of a built network."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            positions = math.prod(layer.output.shape[1:-1])
            total += positions * math.prod(layer.kernel.shape)
    return total


def convolution_parameters(network):
    return sum(
        math.prod(layer.kernel.shape)
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and "input" not in layer.name
    )


GREY = TaskInfo("grey", 7, (9, 14, 1))
UNEVEN = UnitPartition((0.4, 0.1, 0.3, 0.2))


@pytest.mark.parametrize(
    ("task", "backbone", "partition", "units", "stride"),
    [
        (CIFAR10, WideResNet(32, 4), UnitPartition.even(2), (1,), 1),
        (CIFAR100, WideResNet(32, 4), UnitPartition.even(2), (1, 2), 1),
        (TINY, ResNet(42), UnitPartition.even(4), (2,), 2),
        (STL10, ResNet(42), UnitPartition.even(4), (3, 4), 3),
        (GREY, WideResNet(10, 2), UNEVEN, (1, 3), 1),
        (GREY, WideResNet(8, 1), UNEVEN, (2, 3, 4), 2),
        (GREY, ResNet(10, 10), UNEVEN, (1, 2, 3, 4), 1),
        (GREY, ResNet(18, 10), UNEVEN, (4,), 3),
    ],
)
def test_costs_equal_the_counts_of_a_built_network(task, backbone, partition, units, stride):
    found = cost(task, backbone, partition, units, stride)
    built = plain_network(task, backbone, partition, units, stride)
    assert found.parameters == built.count_params()
    assert found.bytes == 4 * built.count_params()
    assert found.parameters_paper == convolution_parameters(built)
    assert found.multiply_adds == multiply_adds(built)
    full = cost(task, backbone, UnitPartition.even(1), (1,), stride)
    assert found.density == found.parameters_paper / full.parameters_paper


def test_costs_use_the_strides_at_which_tasks_meet():
    tasks = [TINY, CIFAR100, STL10]
    table = UnitTable.by_rule(3)
    found = costs(tasks, table, WideResNet(8, 1))
    for task, stride in zip(tasks, (2, 1, 3), strict=True):
        built = plain_network(task, WideResNet(8, 1), stride=stride)
        assert built.get_layer(f"{task.name}_input_conv").output.shape[1:3] == (32, 32)
        assert found[f"{task.name}/level3"].multiply_adds == multiply_adds(built)
    smaller = costs(tasks[:2], UnitTable.by_rule(2), WideResNet(8, 1), map_size=16)
    built = plain_network(TINY, WideResNet(8, 1), stride=4)
    assert smaller["tiny/level2"].multiply_adds == multiply_adds(built)


def test_a_cost_alone_takes_the_stride_of_its_task():
    alone = cost(STL10, WideResNet(8, 1), UnitPartition.even(1), (1,))
    assert alone == cost(STL10, WideResNet(8, 1), UnitPartition.even(1), (1,), stride=3)


def test_bytes_are_of_float32():
    assert Cost(parameters_paper=1, parameters=10, multiply_adds=0).bytes == 40
