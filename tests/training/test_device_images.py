"""Images on the device give the batches of the pipelines, pixel for pixel."""

import dataclasses

import keras
import numpy as np
import pytest

from dvn_tf.data import ImageSet, Task, TaskData, TaskInfo, pipelines
from dvn_tf.errors import UserError
from dvn_tf.training import configuration, device_images, fitting

jax = pytest.importorskip("jax")

OUTPUTS = {
    "short": ["short/level1"],
    "long": ["long/level1", "long/level2"],
    "photographs": ["photographs/level1"],
}


def noise(name, train, test, shape, **settings):
    def images(count, seed, shape):
        generator = np.random.default_rng(seed)
        labels = np.arange(count, dtype=np.int32)
        return ImageSet(generator.integers(0, 256, (count, *shape), np.uint8), labels)

    task = Task(name, "digits", **settings)
    info = TaskInfo(name, num_classes=256, image_shape=shape, crop_from=task.crop_from())
    held = shape if info.crop_from is None else (info.crop_from, info.crop_from, shape[2])
    return TaskData(task, info, images(train, 1, held), images(test, 2, shape))


@pytest.fixture(scope="module")
def task_data():
    """Tasks of unequal sizes and shapes: neither is a multiple of the batch."""
    return [
        noise("short", 7, 13, (8, 6, 3), crop_padding=3),
        noise("long", 22, 4, (5, 5, 1), flip=False),
        noise("photographs", 9, 6, (14, 14, 3), resize="crop", image_size=14),
    ]


def assert_same(here, there):
    assert len(here) == len(there)
    for one, other in zip(here, there, strict=True):
        keras.tree.assert_same_structure(one, other)
        pairs = zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True)
        for left, right in pairs:
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("first_epoch", "first_step"), [(0, 0), (2, 3)])
def test_training_batches_are_those_of_the_pipeline(task_data, first_epoch, first_step):
    settings = (task_data, OUTPUTS, 5, 9, first_epoch, 4, first_step)
    expected = list(pipelines.training_dataset(*settings).as_numpy_iterator())
    found = list(device_images.training_dataset(*settings))
    assert all(isinstance(x, jax.Array) for images, _ in found for x in images.values())
    assert_same(found, expected)


def test_test_batches_are_those_of_the_pipeline(task_data):
    expected = list(pipelines.evaluation_dataset(task_data, OUTPUTS, 5).as_numpy_iterator())
    found = device_images.evaluation_dataset(task_data, OUTPUTS, 5)
    assert_same([found[step] for step in range(len(found))], expected)


def test_images_that_do_not_fit_are_one_line(task_data, monkeypatch):
    def full(images):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(jax, "device_put", full)
    with pytest.raises(UserError, match="images of task short take 0 MB and do not fit"):
        device_images.training_dataset(task_data, OUTPUTS, 5, 0, 0, 1)


def test_images_that_are_not_decoded_and_shared_batches_are_refused(task_data):
    held = dataclasses.replace(task_data[0], test=ImageSet([b"encoded"], np.zeros(1, np.int32)))
    with pytest.raises(UserError, match="images of task short are not held decoded"):
        device_images.evaluation_dataset([held], OUTPUTS, 5)
    with pytest.raises(UserError, match="for a single process"):
        device_images.evaluation_dataset(task_data, OUTPUTS, 4, pipelines.Share(0, 2))


def test_tensorflow_refuses_images_on_the_device():
    params = ["Recipe.images_on_device = True"]
    recipe = configuration.read_experiment(["gin/quickstart.gin"], params).recipe
    with pytest.raises(UserError, match="needs Keras to run on JAX: set KERAS_BACKEND=jax"):
        fitting.prepare_backend(recipe)
