"""Affinity of tasks and units: how well the features of a unit alone serve a task.

A short run of the deep virtual network gives each unit a network of its own, the level 1 of one
task. A linear probe of another task on its features says what the unit has to give that task; the
learned table (`Scenario.table_rule`) is made of these numbers.
"""

import warnings
import zlib
from collections.abc import Sequence

import keras
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dvn_tf.data import TaskData, progress
from dvn_tf.errors import UserError
from dvn_tf.networks.distillation import seen_by
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo, head_name

_BATCH = 100  # images
_ITERATIONS = 1_000  # of the solver; it needs some tens


def unit_networks(network: DeepVirtualNetwork) -> list[keras.Model]:
    """For each unit, level 1 of its task without the head.

    Args:
        network: a network in which level 1 of task j is unit j, for as many tasks as units.

    Returns:
        Models from the images of task j to the pooled features (batch, channels) of unit j.

    Raises:
        UserError: if the table is another.
    """
    firsts = [row[0] for row in network.table.rows]
    if firsts != [(unit,) for unit in range(1, network.table.num_units + 1)]:
        raise UserError(
            f"level 1 of the tasks has the units {', '.join(map(str, firsts))} of "
            f"{network.table.num_units}: affinities need a run in which it is unit 1 for the first "
            "task, unit 2 for the second and so on, as under the table rules 'paper' and "
            "'balanced' with as many units as tasks"
        )
    return [_without_head(network, task) for task in network.tasks]


def task_affinities(
    networks: Sequence[keras.Model],
    tasks: Sequence[TaskInfo],
    data: TaskData,
    num_images: int,
    seed: int,
) -> list[float]:
    """The accuracy of a probe of one task on the features of each unit.

    Some training images are drawn; every second one of each class fits the probe, and the others
    measure it. Test images are not looked at.

    Args:
        networks: from `unit_networks`.
        tasks: the tasks of the network, in their order.
        data: the task to probe. Images that are not of a unit's size are resized to it, and read
            through its own input layer.
        num_images: how many training images to draw, at most.
        seed: determines which.

    Returns:
        For each unit, the share of the second half that the probe classifies correctly.

    Raises:
        UserError: if a unit cannot read the images, or there are too few.
    """
    name, channels = data.task.name, data.info.image_shape[-1]
    for task in tasks:
        if task.image_shape[-1] != channels:
            raise UserError(
                f"task {task.name!r} has images of {task.image_shape[-1]} channels and {name!r} of "
                f"{channels}: affinities need tasks that can read each other's images"
            )
    drawn = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(data.train))
    drawn = drawn[:num_images]
    labels = data.train.labels[drawn]
    by_class = np.argsort(labels, kind="stable")
    fitted, measured = by_class[::2], by_class[1::2]
    if len(np.unique(labels[fitted])) < 2:
        raise UserError(
            f"the {len(drawn)} images drawn of task {name!r} are too few to tell classes apart: "
            "take more (--images)"
        )
    features = _features(networks, tasks, data, drawn)
    if not all(np.isfinite(values).all() for values in features):
        raise UserError(
            "the network gives features that are no finite numbers: its training has diverged, so "
            "train another run with a lower learning rate"
        )
    return [
        probe_accuracy(x[fitted], labels[fitted], x[measured], labels[measured]) for x in features
    ]


def probe_accuracy(
    features: np.ndarray, labels: np.ndarray, new_features: np.ndarray, new_labels: np.ndarray
) -> float:
    """Fits a linear probe and gives its accuracy on other images.

    The probe is a logistic regression, regularized as scikit-learn does by default, of features
    brought to mean 0 and variance 1.

    Args:
        features: (n, channels), what to fit it to.
        labels: (n,).
        new_features: (m, channels), what to measure it on.
        new_labels: (m,).
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is then as good as converged
        probe.fit(features, labels)
    return float(probe.score(new_features, new_labels))


def _without_head(network: DeepVirtualNetwork, task: TaskInfo) -> keras.Model:
    plain = network.extract(task.name, 1)
    [first, *_] = network.heads[task.name].layer_names(head_name(task.name, 1))
    return keras.Model(plain.input, plain.get_layer(first).input)


def _features(networks, tasks, data: TaskData, positions: np.ndarray) -> list[np.ndarray]:
    """For each unit, its features of training images: float32 (len(positions), channels)."""
    features = [[] for _ in networks]
    with progress.counter(len(positions), f"Probing {data.task.name}") as images:
        for start in range(0, len(positions), _BATCH):
            batch = data.train.read(positions[start : start + _BATCH]).astype(np.float32)
            for network, task, values in zip(networks, tasks, features, strict=True):
                pooled = network(seen_by(task, batch, data.info), training=False)
                values.append(keras.ops.convert_to_numpy(pooled))
            images.update(len(batch))
    return [np.concatenate(values).astype(np.float32) for values in features]
