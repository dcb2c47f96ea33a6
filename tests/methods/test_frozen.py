"""What a method freezes stays bit for bit as it is, what it trains moves."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from methods.short_runs import HIGH, LOW, images_to_test_on, logits_of, weights_of

from dvn_tf.networks.convolution import UnitConv2D

EDGES = {16: (0, 9, 13, 16), 32: (0, 18, 26, 32), 64: (0, 37, 52, 64)}  # shares of 1/3, 2/3, 1
OF_THREE = ("digits_0-2", "digits_3-5", "digits_6-9")
READ_UNCUT = "group1_block1_conv1/kernel"  # reads all of the input layer


# --------------------------------------------------------------- one convolution


def frozen_and_free(partitioned_input):
    """Two convolutions of equal kernels, 10 to 10 channels in units of 5, 3 and 2.

    The first has unit 1 frozen. Also the mask of that block, written out.
    """
    settings = {
        "fractions": (0.5, 0.3, 0.2),
        "weight_decay": 0.5,
        "partitioned_input": partitioned_input,
    }
    convs = [UnitConv2D(10, 3, frozen_units=units, **settings) for units in ((1,), ())]
    for conv in convs:
        conv.build([(None, 6, 6, 10)])
    convs[1].kernel.assign(convs[0].kernel)
    mask = np.zeros((3, 3, 10, 10), bool)
    mask[:, :, : 5 if partitioned_input else 10, :5] = True
    return *convs, mask


def gradient(conv, images):
    units = [(1,), (1, 2), (1, 2, 3)]
    before = units if conv.partitioned_input else [None] * 3
    widths = (5, 8, 10) if conv.partitioned_input else (10,) * 3
    with tf.GradientTape() as tape:
        outputs = conv([images[..., :w] for w in widths], in_units=before, out_units=units)
        loss = sum(tf.reduce_sum(y**2) for y in outputs) + sum(conv.losses)
    return tape.gradient(loss, conv.kernel.value)


@pytest.mark.parametrize("partitioned_input", [True, False])
def test_frozen_units_take_no_gradient_and_no_decay_and_all_else_takes_its_own(partitioned_input):
    frozen, free, mask = frozen_and_free(partitioned_input)
    images = np.random.default_rng(0).normal(size=(4, 6, 6, 10)).astype("float32")
    found, reference = (np.asarray(gradient(conv, images)) for conv in (frozen, free))
    assert (found[mask] == 0).all()
    np.testing.assert_allclose(found[~mask], reference[~mask], rtol=1e-5, atol=1e-5)
    kernel = np.asarray(frozen.kernel)
    np.testing.assert_allclose(sum(frozen.losses), 0.25 * np.sum(kernel[~mask] ** 2), rtol=1e-5)
    # Both would show if it were not so.
    assert (reference[mask] != 0).all()
    assert sum(free.losses) > 1.1 * sum(frozen.losses)


@pytest.mark.parametrize("partitioned_input", [True, False])
def test_momentum_and_decay_leave_frozen_units_bit_for_bit(partitioned_input):
    *convs, mask = frozen_and_free(partitioned_input)
    images = np.random.default_rng(0).normal(size=(4, 6, 6, 10)).astype("float32")
    start = np.array(convs[0].kernel)
    for conv in convs:
        optimizer = keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True)
        for _ in range(5):
            optimizer.apply([gradient(conv, images)], [conv.kernel])
    frozen, free = (np.asarray(conv.kernel) for conv in convs)
    assert (frozen[mask] == start[mask]).all()
    assert (frozen[~mask] != start[~mask]).all()
    assert (free[mask] != start[mask]).all()


# --------------------------------------------------------------- PackNet+


@pytest.mark.parametrize(("number", "task"), list(enumerate(OF_THREE, start=1)))
def test_packnet_moves_its_own_connections_and_none_between_frozen_units(run_of, number, task):
    run = run_of("packnet")
    assert (run.experiment.recipe.momentum, run.experiment.recipe.weight_decay) == (0.9, 0.05)
    stage = run.stages[task]
    kernels = [layer.name for layer in stage.network.layers if isinstance(layer, UnitConv2D)]
    assert len(kernels) == 8
    for path in (f"{name}/kernel" for name in kernels):
        before, after = stage.before[path], stage.after[path]
        frozen = np.zeros(after.shape[2:], bool)
        known_in, known_out = (edges[number - 1] for edges in edges_of(path))
        frozen[:known_in, :known_out] = True
        assert after.shape[2:] == tuple(edges[number] for edges in edges_of(path))
        assert (before[:, :, frozen] == after[:, :, frozen]).all(), path
        assert (before[:, :, ~frozen] != after[:, :, ~frozen]).mean() > 0.99, path
        if number > 1:  # and the frozen block is what the earlier tasks have left
            old = run.stages[OF_THREE[number - 2]].after[path]
            np.testing.assert_array_equal(before[:, :, :known_in, :known_out], old)
    for path, before in stage.before.items():
        if not path.startswith(tuple(kernels)):
            assert (before != stage.after[path]).any(), path  # its normalization, input and head


def edges_of(path):
    """Where units end among the input and the output channels of a kernel."""
    group = int(path[5])
    out = 8 * 2**group
    read = out if path.endswith("conv2/kernel") or group == 1 else out // 2
    return (16,) * 4 if path == READ_UNCUT else EDGES[read], EDGES[out]


def test_packnet_leaves_the_logits_of_earlier_tasks_bit_for_bit(run_of):
    run = run_of("packnet")
    images = {task: x for task, (x, _) in images_to_test_on(run.experiment).items()}
    final = logits_of(run.load(), images)
    for task in OF_THREE:
        assert_same_logits(logits_of(run.load(task), images), final)
        # Of what training gave too, not only of what was saved.
        assert_same_logits(logits_of(run.stages[task].network, images), final)
    assert set(final) == {f"{task}/level1" for task in OF_THREE}


def assert_same_logits(some, final):
    for name, logits in some.items():
        np.testing.assert_array_equal(logits, final[name], err_msg=name)
        assert np.ptp(logits) > 0


# --------------------------------------------------------------- the whole backbone, frozen


@pytest.mark.parametrize("name", ["feature_extraction", "da_cnn"])
def test_a_frozen_backbone_keeps_all_but_the_new_head(run_of, name):
    run = run_of(name)
    stage = run.stages[HIGH]
    head = f"{HIGH}_level1_head"
    moved = {path for path in stage.after if (stage.before[path] != stage.after[path]).any()}
    expected = {f"{head}/kernel", f"{head}/bias"}
    if name == "da_cnn":
        expected |= {f"{head}_added{n}/{kind}" for n in (1, 2) for kind in ("kernel", "bias")}
        expected |= {f"{head}_scale{n}/scale" for n in (1, 2)}
    assert moved == expected
    # The rest is the old network's, moving statistics too: the new task's features are its.
    old = weights_of(run.load(LOW))
    for path, values in stage.after.items():
        if path not in expected:
            np.testing.assert_array_equal(values, old[path.replace(HIGH, LOW)], err_msg=path)


@pytest.mark.parametrize("name", ["feature_extraction", "da_cnn"])
def test_a_frozen_backbone_leaves_the_old_logits_bit_for_bit(run_of, name):
    run = run_of(name)
    images = {task: x for task, (x, _) in images_to_test_on(run.experiment).items()}
    final = logits_of(run.load(), images)
    assert_same_logits(logits_of(run.load(LOW), images), final)
    assert_same_logits(logits_of(run.load(HIGH), images), final)


# --------------------------------------------------------------- LwF


def test_lwf_trains_the_new_head_alone_and_then_everything(run_of):
    run = run_of("lwf")
    assert [record["epochs"] for record in run.results["stages"]] == [3, 1, 2]
    warmup, rest = run.stages[f"{HIGH}_warmup"], run.stages[HIGH]
    moved = {path for path in warmup.after if (warmup.before[path] != warmup.after[path]).any()}
    assert moved == {f"{HIGH}_level1_head/kernel", f"{HIGH}_level1_head/bias"}
    for path in rest.after:
        assert (rest.before[path] != rest.after[path]).any(), path


def test_lwf_goes_on_from_the_old_network_and_the_warmed_up_head(run_of):
    run = run_of("lwf")
    old, warmup = run.stages[LOW].after, run.stages[f"{HIGH}_warmup"].after
    start = run.stages[HIGH].before
    for path, values in start.items():
        if path.startswith(HIGH):
            expected = warmup[path]
        elif path.endswith(("gamma", "beta", "moving_mean", "moving_variance")):
            # Side by side: the old task's, and the new task's, which began as the old one's.
            expected = np.concatenate([old[path], old[path]])
        else:
            expected = old[path]
        np.testing.assert_array_equal(values, expected, err_msg=path)


def test_distillation_keeps_the_teacher_bit_for_bit(run_of):
    """Stage k's network is the teacher of stage k+1, and left as it was."""
    for name in ("lwf", "dvn", "nestednet"):
        run = run_of(name)
        teachers = list(run.stages.values())[:-1]
        for stage in teachers:
            for path, values in weights_of(stage.network).items():
                np.testing.assert_array_equal(values, stage.after[path], err_msg=path)
