"""Affinities of tasks and units, against scikit-learn and networks taken out by hand."""

import binascii
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from dvn_tf import data
from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training.affinity import task_affinities, unit_networks
from dvn_tf.units import UnitTable

IMAGES, SEED = 150, 3


def network_of(tasks, table=None, backbone=None):
    keras.utils.set_random_seed(1)
    infos = [one.info if isinstance(one, data.TaskData) else one for one in tasks]
    table = table or UnitTable.by_rule(len(infos))
    return DeepVirtualNetwork(infos, table, backbone or WideResNet(8, 1))


@pytest.fixture(scope="module")
def task_data():
    """Digits in three tasks, the last of them with images of four times as many pixels."""
    classes = ("0-2", "3-5", "6-9")
    sizes = (None, None, 16)
    tasks = [
        Task(f"digits_{one}", "digits", classes=one, image_size=size)
        for one, size in zip(classes, sizes, strict=True)
    ]
    # Test images that cannot be looked at.
    return [dataclasses.replace(data.load(task), test=None) for task in tasks]


@pytest.fixture(scope="module")
def network(task_data):
    return network_of(task_data)


def affinities(network, task_data, num_images=IMAGES):
    networks = unit_networks(network)
    return [task_affinities(networks, network.tasks, d, num_images, SEED) for d in task_data]


def drawn(task_data, num_images):
    """The images that a probe is fitted to and those that it is measured on, class by class."""
    code = binascii.crc32(task_data.task.name.encode())
    order = np.random.default_rng([SEED, code]).permutation(len(task_data.train))
    by_class = {}
    for position in order[:num_images]:
        by_class.setdefault(int(task_data.train.labels[position]), []).append(position)
    every = [position for label in sorted(by_class) for position in by_class[label]]
    return every[::2], every[1::2]


def probe(network, unit_task, task_data, fitted, measured):
    """A logistic regression on features standardized by hand."""
    plain = network.extract(unit_task.name, 1)
    body = keras.Model(plain.input, plain.layers[-2].output)
    assert isinstance(plain.layers[-1], keras.layers.Dense)

    def features(positions):
        images = tf.image.resize(  # bilinear
            task_data.train.images[positions].astype("float32"), unit_task.image_shape[:2]
        )
        return body.predict(images, verbose=0).astype(np.float64)

    train, test = features(fitted), features(measured)
    mean, std = train.mean(axis=0), train.std(axis=0)
    std[std == 0] = 1
    fit = LogisticRegression(C=1.0, max_iter=5000, tol=1e-6)
    fit.fit((train - mean) / std, task_data.train.labels[fitted])
    predicted = fit.predict((test - mean) / std)
    return np.mean(predicted == task_data.train.labels[measured])


def test_probes_are_scikit_learn_s(network, task_data):
    found = affinities(network, task_data)
    for one, row in zip(task_data, found, strict=True):
        halves = drawn(one, IMAGES)
        assert set(halves[0]).isdisjoint(halves[1])
        assert len(halves[0]) + len(halves[1]) == IMAGES
        expected = [probe(network, info, one, *halves) for info in network.tasks]
        # Rounding may move an image across a border.
        np.testing.assert_allclose(row, expected, atol=1.5 / len(halves[1]))
        assert min(row) > 1.5 / one.info.num_classes  # better than guessing


def test_a_task_does_not_depend_on_those_beside_it_and_the_cap_is_kept(network, task_data):
    whole = affinities(network, task_data)
    networks = unit_networks(network)
    alone = task_affinities(networks, network.tasks, task_data[1], IMAGES, SEED)
    assert alone == whole[1]
    all_images = task_affinities(networks, network.tasks, task_data[1], 10**9, SEED)
    measured = len(task_data[1].train) // 2
    correct = np.array(all_images) * measured
    np.testing.assert_allclose(correct, np.round(correct), atol=1e-6)
    other = task_affinities(networks, network.tasks, task_data[1], IMAGES, SEED + 1)
    assert other != alone


def test_a_unit_without_information_has_the_affinity_of_guessing(task_data):
    """The features of unit 2 are made constant, for whichever task reads them."""
    network = network_of(task_data)
    norm = network.get_layer("final_norm")
    index = list(network.virtual_networks).index("digits_3-5/level1")
    start = sum(norm.widths[:index])
    stop = start + norm.widths[index]
    assert stop - start == 22  # of 64 channels in three units
    for variable in (norm.gamma, norm.beta):
        values = np.array(variable)
        values[start:stop] = 0
        variable.assign(values)
    for one, row in zip(task_data, affinities(network, task_data), strict=True):
        _, measured = drawn(one, IMAGES)
        labels = one.train.labels[measured]
        assert row[1] in {float(np.mean(labels == label)) for label in np.unique(labels)}
        assert min(row[0], row[2]) > row[1] + 0.2


@pytest.mark.parametrize(
    "rows",
    [
        (((1, 2),), ((2, 3),), ((3,),)),
        (((2,), (1, 2)), ((1,), (1, 2)), ((3,), (1, 3))),
        (((1,), (1, 2)), ((2,), (1, 2)), ((2,), (2, 3))),
    ],
)
def test_level_1_must_be_a_unit_of_its_own(task_data, rows):
    network = network_of(task_data, UnitTable(rows))
    with pytest.raises(UserError, match="affinities need a run in which it is unit 1 for the"):
        unit_networks(network)


def test_another_number_of_units_is_refused(task_data):
    network = network_of(task_data, UnitTable.by_rule(3, 4), ResNet(10, 8))
    with pytest.raises(UserError, match=r"of 4: affinities need"):
        unit_networks(network)


def test_images_of_other_channels_are_refused(task_data):
    grey = task_data[0]
    colour = dataclasses.replace(task_data[1].info, image_shape=(8, 8, 3))
    network = network_of([grey, colour])
    with pytest.raises(UserError, match=r"'digits_3-5' has images of 3 channels .* of 1"):
        task_affinities(unit_networks(network), network.tasks, grey, IMAGES, SEED)


def test_too_few_images_are_refused(network, task_data):
    with pytest.raises(UserError, match=r"the 1 images drawn .* too few .*--images"):
        affinities(network, task_data, num_images=1)


def test_features_that_are_no_numbers_are_refused(task_data):
    network = network_of(task_data)
    norm = network.get_layer("final_norm")
    norm.set_weights([np.full_like(weight, np.nan) for weight in norm.get_weights()])
    with pytest.raises(UserError, match="its training has diverged"):
        affinities(network, task_data)
