"""Lower levels that learn from a slot of each batch."""

import keras
import numpy as np
import pytest
from networks.stepping import (
    batch,
    build,
    changes,
    changes_by_output,
    compiled,
    norm_parts,
    values,
)

from dvn_tf.errors import UserError
from dvn_tf.networks import convolution
from dvn_tf.networks.lower_batches import LowerBatches


def images_of(network, output):
    """Which images of a batch an output learns from, written out."""
    _, level, _ = network.virtual_networks[output]
    count = network.table.num_levels
    return slice(None) if level == count else slice(level - 1, None, count)


@pytest.mark.parametrize(("num_tasks", "num_levels", "size"), [(2, 2, 6), (3, 3, 7), (2, 1, 4)])
def test_a_step_has_the_gradients_of_each_output_on_its_own_images(num_tasks, num_levels, size):
    """The batch of 7 cannot be divided by three: slots of 3, 2 and 2 images."""
    network = build(num_tasks, num_levels)
    images, labels = batch(network, size)
    model = compiled(LowerBatches(network, size))
    found = changes(model, images, labels)
    terms = {
        output: changes_by_output(network, output, images, labels, images_of(network, output))
        for output in network.virtual_networks
    }
    for weight in network.trainable_weights:
        # One step of a sum is the sum of the steps.
        expected = sum(term.get(weight.path, 0) for term in terms.values())
        np.testing.assert_allclose(found[weight.path], expected, rtol=1e-3, atol=1e-5)
        assert np.abs(expected).max() > 1e-4, weight.path
    for layer, output, part in norm_parts(network):
        for name in (f"{layer}/moving_mean", f"{layer}/moving_variance"):
            np.testing.assert_allclose(
                found[name][part], terms[output][name][part], rtol=1e-3, atol=1e-5
            )
    assert set(found) == set(values(network))


def test_the_loss_and_the_metrics_are_means_over_these_images():
    network = build()
    images, labels = batch(network, 6)
    expected = {}
    for output in network.virtual_networks:
        part = images_of(network, output)
        pixels = {name: x[part] for name, x in images.items()}
        logits = np.asarray(network(pixels, training=True)[output])
        picked = logits[np.arange(len(logits)), labels[output][part]]
        expected[f"{output}_cross_entropy"] = np.mean(np.log(np.exp(logits).sum(1)) - picked)
        expected[f"{output}_accuracy"] = np.mean(logits.argmax(1) == labels[output][part])
    losses = sum(value for name, value in expected.items() if "entropy" in name)
    found = compiled(LowerBatches(network, 6)).train_on_batch(images, labels, return_dict=True)
    for name, value in (expected | {"loss": losses}).items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_kernels_decay_once():
    network = build(weight_decay=1e-2)
    model = LowerBatches(network, 6)
    assert len(model.losses) == len(network.losses) > 0
    assert float(sum(model.losses)) == pytest.approx(float(sum(network.losses)))


@pytest.mark.parametrize("merged", [False, True])
def test_lower_levels_convolve_fewer_images(monkeypatch, merged):
    batches = []

    def counted(x, kernel, stride, padding):
        batches.append(len(x))
        return convolve(x, kernel, stride, padding)

    convolve = convolution.pad_and_convolve
    network = build(merge_streams=merged)
    model = LowerBatches(network, 8)
    monkeypatch.setattr(convolution, "pad_and_convolve", counted)
    model(batch(network, 8)[0], training=True)
    layers = [x for x in network.layers if isinstance(x, convolution.UnitConv2D)]
    # The highest levels of both tasks have the same units.
    expected = [4, 4, 16] if merged else [4, 8, 4, 8]
    assert sorted(batches) == sorted(expected * len(layers))


def test_merged_streams_take_the_same_step():
    found = []
    for merged in (False, True):
        network = build(merge_streams=merged)
        found.append(changes(compiled(LowerBatches(network, 6)), *batch(network, 6)))
    for path, expected in found[0].items():
        np.testing.assert_allclose(found[1][path], expected, rtol=1e-3, atol=1e-5, err_msg=path)


def test_outside_training_it_is_the_network():
    network = build()
    images, labels = batch(network, 7)
    model = compiled(LowerBatches(network, 6))
    for name, logits in network(images, training=False).items():
        np.testing.assert_array_equal(model(images, training=False)[name], logits)
    weights = {name: (np.arange(7) < 5).astype("float32") for name in labels}
    found = model.evaluate(images, labels, sample_weight=weights, return_dict=True, verbose=0)
    expected = compiled(network).evaluate(
        images, labels, sample_weight=weights, return_dict=True, verbose=0
    )
    assert found == pytest.approx(expected, rel=1e-6)


def test_half_precision():
    network = build(dtype="mixed_bfloat16")
    model = compiled(LowerBatches(network, 6))
    logits = model(batch(network, 6)[0], training=True)
    assert {keras.backend.standardize_dtype(x.dtype) for x in logits.values()} == {"float32"}
    assert all(np.isfinite(x).all() for x in changes(model, *batch(network, 6)).values())


def test_every_level_needs_an_image():
    with pytest.raises(UserError, match=r"raise Recipe\.batch_size to 3 at"):
        LowerBatches(build(3, 3), 2)
