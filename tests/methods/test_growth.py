"""A sequence grows a deep virtual network by one unit a task (section 3.3)."""

import numpy as np
import pytest
from methods.short_runs import images_to_test_on, logits_of, weights_of

from dvn_tf.networks.convolution import UnitConv2D

OF_THREE = ("digits_0-2", "digits_3-5", "digits_6-9")
EDGES = {16: (0, 5, 11, 16), 32: (0, 11, 21, 32), 64: (0, 21, 43, 64)}  # thirds, rounded
# Of stage k, for each output, the units; section 3.2's rule for k tasks.
UNITS = {
    1: {(0, 1): (1,)},
    2: {(0, 1): (1,), (0, 2): (1, 2), (1, 1): (2,), (1, 2): (1, 2)},
    3: {
        (0, 1): (1,), (0, 2): (1, 2), (0, 3): (1, 2, 3),
        (1, 1): (2,), (1, 2): (1, 2), (1, 3): (1, 2, 3),
        (2, 1): (3,), (2, 2): (2, 3), (2, 3): (1, 2, 3),
    },
}  # fmt: skip
# Which old output each output of the next stage takes over from: the one with most of its units
# and no other; a new task takes over from the task before it. None begins anew.
ORIGINS = {
    2: {(0, 1): (0, 1), (0, 2): (0, 1), (1, 1): None, (1, 2): (0, 1)},
    3: {
        (0, 1): (0, 1), (0, 2): (0, 2), (0, 3): (0, 2),
        (1, 1): (1, 1), (1, 2): (1, 2), (1, 3): (1, 2),
        (2, 1): None, (2, 2): (1, 1), (2, 3): (1, 2),
    },
}  # fmt: skip


def owned(width, units):
    return np.concatenate(
        [np.arange(EDGES[width][unit - 1], EDGES[width][unit]) for unit in sorted(units)]
    )


def norm_width(name):
    """Width of the whole layer, and whether it is partitioned: the input layer's is not."""
    if name == "final_norm":
        return 64, True
    group = int(name[5])
    first = name.endswith("norm1")
    width = 8 * 2 ** (group - 1) if first and group > 1 else 8 * 2**group
    return width, name != "group1_block1_norm1"


def vectors(weights, name, stage):
    """{(task, level): {kind: its part of a normalization's vectors}}."""
    width, partitioned = norm_width(name)
    parts, start = {}, 0
    for output, units in UNITS[stage].items():
        stop = start + (len(owned(width, units)) if partitioned else width)
        parts[output] = {
            kind: weights[f"{name}/{kind}"][start:stop]
            for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        }
        start = stop
    assert start == len(weights[f"{name}/gamma"])
    return parts


@pytest.fixture(scope="module", params=[2, 3], ids=["second task", "third task"])
def growth(request, run_of):
    """Number of the stage, its start, and the end of the stage before."""
    run, k = run_of("dvn"), request.param
    return k, run.stages[OF_THREE[k - 1]], run.stages[OF_THREE[k - 2]]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_stage_k_has_k_units_and_k_virtual_networks_of_k_levels(run_of, k):
    network = run_of("dvn").stages[OF_THREE[k - 1]].network
    assert {
        (OF_THREE.index(task.name), level): units
        for task, level, units in network.virtual_networks.values()
    } == UNITS[k]
    assert network.partition.num_units == 3
    for layer in network.layers:
        if isinstance(layer, UnitConv2D):
            assert layer.kernel.shape[-1] == EDGES[layer.filters][k]
            assert layer.kernel.shape[-2] == (
                EDGES[layer.in_channels][k] if layer.partitioned_input else layer.in_channels
            )


def test_kernels_begin_with_the_old_block_and_new_connections(growth):
    _, new, old = growth
    seen = 0
    for path, before in new.before.items():
        if "group" not in path or not path.endswith("kernel"):
            continue
        rows, columns = old.after[path].shape[2:]
        np.testing.assert_array_equal(before[:, :, :rows, :columns], old.after[path])
        fresh = np.ones(before.shape[2:], bool)
        fresh[:rows, :columns] = False
        values = before[:, :, fresh]
        assert len(np.unique(values)) > 0.99 * values.size  # drawn, not copied or left at zero
        seen += 1
    assert seen == 8


def test_normalization_begins_with_that_of_the_nearest_old_units(growth):
    k, new, old = growth
    names = {path.removesuffix("/gamma") for path in new.before if path.endswith("gamma")}
    assert len(names) == 7
    for name in names:
        width, partitioned = norm_width(name)
        starts, ends = vectors(new.before, name, k), vectors(old.after, name, k - 1)
        for output, parts in starts.items():
            origin = ORIGINS[k][output]
            for kind, values in parts.items():
                expected = np.full(len(values), float(kind in ("gamma", "moving_variance")))
                if origin is not None:
                    taken = slice(None)
                    if partitioned:
                        kept = owned(width, UNITS[k - 1][origin])
                        taken = np.isin(owned(width, UNITS[k][output]), kept)
                    expected[taken] = ends[origin][kind]
                np.testing.assert_array_equal(
                    values, expected.astype("float32"), err_msg=f"{name}/{kind} of {output}"
                )


def test_heads_begin_with_the_rows_of_the_old_units_and_a_new_tasks_anew(growth):
    k, new, old = growth
    for (task, level), units in UNITS[k].items():
        head = f"{OF_THREE[task]}_level{level}_head"
        kernel, bias = (new.before[f"{head}/{kind}"] for kind in ("kernel", "bias"))
        taken = np.zeros(len(kernel), bool)
        if task < k - 1:
            _, level_before = ORIGINS[k][task, level]
            source = f"{OF_THREE[task]}_level{level_before}_head"
            units_before = UNITS[k - 1][task, level_before]
            taken = np.isin(owned(64, units), owned(64, units_before))
            np.testing.assert_array_equal(kernel[taken], old.after[f"{source}/kernel"])
            np.testing.assert_array_equal(bias, old.after[f"{source}/bias"])
        else:
            assert (bias == 0).all()
        assert len(np.unique(kernel[~taken])) == kernel[~taken].size


def test_input_layers_are_the_old_tasks_and_the_new_one_begins_as_the_last(growth):
    k, new, old = growth
    for number, task in enumerate(OF_THREE[:k]):
        source = OF_THREE[min(number, k - 2)]
        expected = old.after[f"{source}_input_conv/kernel"]
        np.testing.assert_array_equal(new.before[f"{task}_input_conv/kernel"], expected)


def test_a_virtual_network_of_old_units_begins_as_it_was(run_of, growth):
    """The same units in a grown network compute the same."""
    _, new, old = growth
    images = {task: x for task, (x, _) in images_to_test_on(run_of("dvn").experiment).items()}
    expected = logits_of(old.network, images)
    trained = weights_of(new.network)
    try:
        set_weights(new.network, new.before)
        found = logits_of(new.network, images)
    finally:
        set_weights(new.network, trained)
    for name, logits in expected.items():
        np.testing.assert_allclose(found[name], logits, rtol=1e-5, atol=1e-5, err_msg=name)


def set_weights(network, weights):
    for weight in network.weights:
        weight.assign(weights[weight.path])


def test_everything_is_trained_on_in_a_sequence(growth):
    _, new, _ = growth
    for path, before in new.before.items():
        assert (before != new.after[path]).any(), path
