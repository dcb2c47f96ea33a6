"""What sequences leave behind is extracted and exported as any other network."""

import keras
import numpy as np
import pytest
from methods.short_runs import images_to_test_on, logits_of

from dvn_tf.export.bundle import Bundle
from dvn_tf.export.slim import slim_network


@pytest.fixture(scope="module", params=["dvn", "da_cnn"])
def exported(request, run_of):
    """The network of a finished run, its images, and its logits."""
    run = run_of(request.param)
    images = {task: x for task, (x, _) in images_to_test_on(run.experiment).items()}
    network = run.load()
    return network, images, logits_of(network, images)


def test_extracted_networks_give_the_logits_of_the_whole(exported):
    network, images, expected = exported
    for name, (task, level, _) in network.virtual_networks.items():
        plain = network.extract(task.name, level)
        found = plain(images[task.name], training=False)
        np.testing.assert_allclose(found, expected[name], atol=1e-5, err_msg=name)


def test_slim_networks_give_the_logits_of_the_whole(exported):
    network, images, expected = exported
    for name, (task, level, _) in network.virtual_networks.items():
        slim = slim_network(network, task.name, level)
        found = slim.model(images[task.name], training=False)
        np.testing.assert_allclose(found, expected[name], atol=1e-5, err_msg=name)


def test_a_bundle_gives_the_logits_of_the_whole_and_stores_each_weight_once(exported):
    network, images, expected = exported
    bundle = Bundle(network, list(network.virtual_networks))
    for name, (task, level, _) in network.virtual_networks.items():
        found = bundle.functions[f"{task.name}_level{level}"](images[task.name])["logits"]
        np.testing.assert_allclose(found, expected[name], atol=1e-5, err_msg=name)
    # Normalization is stored as scale and shift, two vectors for four.
    norms = sum(
        np.prod(weight.shape)
        for weight in network.weights
        if weight.path.endswith(("moving_mean", "moving_variance"))
    )
    assert bundle.count_parameters() == network.count_params() - norms


def test_da_cnns_new_task_has_two_normalized_layers_of_the_features_width(run_of):
    """Recomputed from the features on: relu, x / rms(x) * scale, twice, then the logits."""
    run = run_of("da_cnn")
    images = {task: x[:20] for task, (x, _) in images_to_test_on(run.experiment).items()}
    network = run.load()
    weights = {weight.path: np.asarray(weight, "float64") for weight in network.weights}
    plain = network.extract("digits_5-9", 1)
    head = "digits_5-9_level1_head"
    position = [layer.name for layer in plain.layers].index(f"{head}_added1")
    features = keras.Model(plain.input, plain.layers[position].input)
    x = np.asarray(features(images["digits_5-9"]), "float64")
    assert x.shape == (20, 64)
    for number in (1, 2):
        kernel, bias = (weights[f"{head}_added{number}/{kind}"] for kind in ("kernel", "bias"))
        x = np.maximum(x @ kernel + bias, 0)
        x = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-7)
        x = x * weights[f"{head}_scale{number}/scale"]
    expected = x @ weights[f"{head}/kernel"] + weights[f"{head}/bias"]
    np.testing.assert_allclose(logits_of(network, images)["digits_5-9/level1"], expected, atol=1e-4)
