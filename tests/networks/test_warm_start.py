"""Weights carried between networks of other units, tasks and shapes."""

import numpy as np
import pytest
from reference_networks import MEAN, STD, Case, batch, randomize, task

from dvn_tf.methods.da_cnn import AddedLayersHead
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.warm_start import warm_start
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable

A, B, C = task("a"), task("b", classes=5), task("c", classes=4)
PAIR = (((1,), (1, 2)), ((2,), (1, 2)))
TRIPLE = (((1,), (1, 2), (1, 2, 3)), ((2,), (1, 2), (1, 2, 3)), ((3,), (2, 3), (1, 2, 3)))
# Odd widths, cut unevenly: of 9 channels the units have 4, 3 and 2, of 18 they have 8, 6 and 4.
UNEVEN = (ResNet(10, 9), (0.45, 0.33, 0.22))
EVEN = (WideResNet(8, 1), (1 / 3, 1 / 3, 1 / 3))
GAPS = (((1,), (1, 3)), ((3,), (1, 3)))  # unit 2 is nobody's


def build(tasks, rows, backbone, fractions, seed=0, **kwargs):
    network = DeepVirtualNetwork(
        tasks, UnitTable(rows, 3), backbone, UnitPartition(fractions), **kwargs
    )
    randomize(network, seed)
    return network


def owned(fractions, width, units):
    edges = [round(sum(fractions[:i]) * width) for i in range(4)]
    return np.concatenate([np.arange(edges[unit - 1], edges[unit]) for unit in sorted(units)])


def copy_of(network):
    return {weight.path: np.array(weight) for weight in network.weights}


def logits(network, images):
    outputs = network({name: images[name] for name in network.input}, training=False)
    return {name: np.asarray(values) for name, values in outputs.items()}


def images_of(tasks):
    return batch(Case(tasks, rows=(), table=None, backbone=None, fractions=(), strides=()))


@pytest.fixture(scope="module", params=[UNEVEN, EVEN], ids=["uneven, odd widths", "thirds"])
def grown(request):
    """A network of units 1 and 2 of three, the whole one before and after the copy."""
    source = build((A, B), PAIR, *request.param)
    target = build((A, B, C), TRIPLE, *request.param, seed=1)
    before, given = copy_of(target), copy_of(source)
    warm_start(source, target)
    return source, target, before, given, request.param[1]


def test_stored_units_compute_what_they_do_in_the_whole_network(grown):
    """A network of some units is the same-shaped part of the full one."""
    source, target, *_ = grown
    images = images_of((A, B, C))
    expected, found = logits(source, images), logits(target, images)
    assert set(expected) == {"a/level1", "a/level2", "b/level1", "b/level2"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    for layer in kernels(target):
        stored = source.get_layer(layer.name).kernel
        assert np.prod(stored.shape) < np.prod(layer.kernel.shape), layer.name


def kernels(network):
    return [layer for layer in network.layers if isinstance(layer, UnitConv2D)]


def test_only_the_block_of_common_units_is_copied(grown):
    _, target, before, given, fractions = grown
    for layer in kernels(target):
        path = f"{layer.name}/kernel"
        rows = (
            owned(fractions, layer.in_channels, (1, 2))
            if layer.partitioned_input
            else np.arange(layer.in_channels)
        )
        block = np.ix_(
            *map(np.arange, layer.kernel.shape[:2]), rows, owned(fractions, layer.filters, (1, 2))
        )
        expected = before[path].copy()
        expected[block] = given[path]
        np.testing.assert_array_equal(layer.kernel, expected, err_msg=path)


def test_a_new_level_takes_the_rows_of_the_units_that_were_there(grown):
    _, target, before, given, fractions = grown
    after, width = copy_of(target), target.backbone.widths[-1]
    rows = np.isin(owned(fractions, width, (1, 2, 3)), owned(fractions, width, (1, 2)))
    np.testing.assert_array_equal(
        after["a_level3_head/kernel"][rows], given["a_level2_head/kernel"]
    )
    np.testing.assert_array_equal(
        after["a_level3_head/kernel"][~rows], before["a_level3_head/kernel"][~rows]
    )
    np.testing.assert_array_equal(after["a_level3_head/bias"], given["a_level2_head/bias"])


def test_a_new_task_takes_the_last_ones_input_layer_and_no_head(grown):
    _, target, before, given, _ = grown
    after = copy_of(target)
    np.testing.assert_array_equal(after["c_input_conv/kernel"], given["b_input_conv/kernel"])
    for level in (1, 2, 3):
        for kind in ("kernel", "bias"):
            path = f"c_level{level}_head/{kind}"
            np.testing.assert_array_equal(after[path], before[path])


def test_the_source_stays_as_it_is(grown):
    source, _, _, given, _ = grown
    for path, values in copy_of(source).items():
        np.testing.assert_array_equal(values, given[path])


def test_without_new_tasks_an_unknown_task_is_left_alone():
    twins = (WideResNet(8, 1), (0.25, 0.25, 0.5))  # units 1 and 2 of one size
    source = build((A, B), PAIR, *twins)
    target = build((A, C), PAIR, *twins, seed=1)
    before = copy_of(target)
    warm_start(source, target, new_tasks=False)
    images = images_of((A, B, C))
    expected, after = logits(source, images), copy_of(target)
    for level in (1, 2):
        found = logits(target, images)[f"a/level{level}"]
        np.testing.assert_allclose(found, expected[f"a/level{level}"], rtol=1e-5, atol=1e-5)
    for path, values in before.items():
        if path.startswith("c_"):
            np.testing.assert_array_equal(after[path], values)
    # Of every normalization the second half is task c's.
    for path, values in before.items():
        if path.endswith("gamma"):
            half = len(values) // 2
            np.testing.assert_array_equal(after[path][half:], values[half:])
            assert (after[path][:half] != values[:half]).all()


def test_units_with_a_gap_between_them_find_their_places():
    source = build((A, B), GAPS, *UNEVEN)
    target = build((A, B), (((1,), (1, 2, 3)), ((3,), (1, 3))), *UNEVEN, seed=1)
    warm_start(source, target)
    images = images_of((A, B))
    expected, found = logits(source, images), logits(target, images)
    for name in ("a/level1", "b/level1", "b/level2"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)
    # And back: the block of units 1 and 3 is taken out of the whole kernel.
    back = build((A, B), GAPS, *UNEVEN, seed=2)
    warm_start(target, back)
    for name in ("a/level1", "b/level1", "b/level2"):
        np.testing.assert_allclose(logits(back, images)[name], expected[name], rtol=1e-5, atol=1e-5)


def test_networks_without_common_units_share_no_kernel():
    source = build((A,), (((1,),),), *EVEN)
    target = build((B,), (((2,),),), *EVEN, seed=1)
    before = copy_of(target)
    warm_start(source, target)
    after = copy_of(target)
    assert after["b_input_conv/kernel"].shape == before["b_input_conv/kernel"].shape
    for path, values in before.items():
        np.testing.assert_array_equal(after[path], values, err_msg=path)


def test_an_input_layer_for_other_images_is_not_copied():
    grey = TaskInfo("grey", 4, (8, 8, 1), MEAN[:1], STD[:1])
    source = build((A,), (((1,),),), *EVEN)
    target = build((A, grey), (((1,),), ((1, 2),)), *EVEN, seed=1)
    before = copy_of(target)
    warm_start(source, target)
    path = "grey_input_conv/kernel"
    np.testing.assert_array_equal(copy_of(target)[path], before[path])
    np.testing.assert_array_equal(
        copy_of(target)["a_input_conv/kernel"], copy_of(source)["a_input_conv/kernel"]
    )


def test_added_layers_of_a_head_come_along():
    heads = {"a": AddedLayersHead((7, 5))}
    source = build((A,), (((1,),),), *EVEN, heads=heads)
    target = build((A, B), (((1,),), ((1, 2),)), *EVEN, seed=1, heads=heads)
    warm_start(source, target)
    images = images_of((A, B))
    np.testing.assert_allclose(
        logits(target, images)["a/level1"], logits(source, images)["a/level1"], rtol=1e-5, atol=1e-5
    )
