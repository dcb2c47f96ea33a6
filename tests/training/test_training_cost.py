"""Multiply-adds of training, against sums written out by hand from counted networks."""

import dataclasses

import pytest

from dvn_tf.methods.level_learning import LevelLearning
from dvn_tf.methods.method import Stage
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo
from dvn_tf.training.training_cost import stage_multiply_adds
from dvn_tf.units import UnitPartition, UnitTable

TASKS = [TaskInfo("a", 3, (8, 8, 1)), TaskInfo("b", 5, (8, 8, 1))]
IMAGES = 700


def stage(**settings):
    table, partition = UnitTable.by_rule(2), UnitPartition.even(2)
    return Stage("all", ("a", "b"), ("a", "b"), table, partition, WideResNet(8, 1), 1, **settings)


def network(**settings):
    return DeepVirtualNetwork(TASKS, UnitTable.by_rule(2), WideResNet(8, 1), **settings)


def kernels_of(model):
    """Multiply-adds of a plain model for one image, from the shapes of its layers."""
    count = 0
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            positions = (
                layer.output.shape[1] * layer.output.shape[2] if len(layer.kernel.shape) == 4 else 1
            )
            size = 1
            for side in layer.kernel.shape:
                size *= side
            count += size * positions
    return count


@pytest.fixture(scope="module")
def adds():
    """{output: multiply-adds of its own network}, counted on the extracted plain networks."""
    whole = network()
    return {
        f"{task}/level{level}": kernels_of(whole.extract(task, level))
        for task in "ab"
        for level in (1, 2)
    }


@pytest.mark.parametrize(
    ("learning", "shares"),
    [
        ({}, (1, 1)),
        ({"self_distillation": 1.0}, (1, 1)),
        ({"lower_batches": "share"}, (0.5, 1)),
        ({"level_steps": "one"}, (0.5, 0.5)),
    ],
)
def test_three_passes_of_what_a_step_computes(adds, learning, shares):
    found = stage_multiply_adds(stage(learning=LevelLearning(**learning)), network(), IMAGES, None)
    one_image = sum(
        share * adds[f"{task}/level{level}"]
        for task in "ab"
        for level, share in enumerate(shares, start=1)
    )
    assert found == 3 * IMAGES * one_image


def test_causal_levels_take_the_pass_of_the_highest(adds):
    whole = network(causal=True)
    found = stage_multiply_adds(stage(causal=True), whole, IMAGES, None)
    highest = sum(kernels_of(whole.extract(task, 2)) for task in "ab")
    low_heads = 32 * 3 + 32 * 5  # half of 64 channels
    assert found == 3 * IMAGES * (highest + low_heads)
    # 0.75 passes against 1.25; input layers and first convolutions are not triangular.
    assert found < 0.65 * 3 * IMAGES * sum(adds.values())


def test_a_teacher_has_a_forward_pass_and_so_has_a_frozen_network(adds):
    one = dataclasses.replace(stage(), teacher="old")
    total = sum(adds.values())
    assert stage_multiply_adds(one, network(), IMAGES, network()) == 4 * IMAGES * total
    assert stage_multiply_adds(stage(heads_only=True), network(), IMAGES, None) == IMAGES * total
