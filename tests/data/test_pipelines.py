import numpy as np
import pytest
import tensorflow as tf

from dvn_tf.data import ImageSet, Task, TaskData, TaskInfo
from dvn_tf.data import images as image_tools
from dvn_tf.data.pipelines import Share, evaluation_dataset, steps_per_epoch, training_dataset
from dvn_tf.errors import UserError

PLAIN = {"flip": False, "crop_padding": 0}


def make(name, train, test=1, size=4, **settings):
    """A task whose image i has the value i in all pixels, and label i."""

    def images(count):
        values = np.arange(count)
        pixels = np.broadcast_to(values[:, None, None, None], (count, size, size, 1))
        return ImageSet(pixels.astype(np.uint8), values.astype(np.int32))

    task = Task(name, "digits", **settings)
    info = TaskInfo(name, num_classes=256, image_shape=(size, size, 1))
    return TaskData(task, info, images(train), images(test))


def make_noise(name, count, size=8, **settings):
    """A task of random images, no two crops of which are the same."""
    data = make(name, count, size=size, **settings)
    noise = np.random.default_rng(0).integers(0, 256, data.train.images.shape, np.uint8)
    return TaskData(data.task, data.info, ImageSet(noise, data.train.labels), data.test)


def outputs(task_data):
    return {d.task.name: [f"{d.task.name}/level1", f"{d.task.name}/level2"] for d in task_data}


def run(task_data, batch_size, seed=0, first_epoch=0, epochs=1):
    dataset = training_dataset(task_data, outputs(task_data), batch_size, seed, first_epoch, epochs)
    return list(dataset.as_numpy_iterator())


def order(batches, name):
    """The examples that a run showed, in order."""
    return np.concatenate([y[f"{name}/level1"] for _, y in batches])


def assert_same(left, right):
    tf.nest.assert_same_structure(left, right)
    for one, other in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("counts", "batch_size", "steps"), [((10,), 5, 2), ((11,), 5, 3), ((7, 20, 5), 5, 4)]
)
def test_an_epoch_is_the_longest_tasks(counts, batch_size, steps):
    task_data = [make(f"t{i}", count) for i, count in enumerate(counts)]
    assert steps_per_epoch(task_data, batch_size) == steps
    assert len(run(task_data, batch_size, epochs=3)) == 3 * steps
    dataset = training_dataset(task_data, outputs(task_data), batch_size, 0, 1, 3)
    assert len(dataset) == 2 * steps


@pytest.mark.parametrize("batch_size", [0, 6, 100])
def test_a_batch_larger_than_a_task_is_refused(batch_size):
    task_data = [make("long", 20), make("short", 5)]
    with pytest.raises(UserError, match=rf"{batch_size} images .* from 1 to 5"):
        steps_per_epoch(task_data, batch_size)
    with pytest.raises(UserError):
        training_dataset(task_data, outputs(task_data), batch_size, 0, 0, 1)


def test_batches_are_full_and_typed():
    task_data = [make("a", 11), make("b", 7, size=6)]
    dataset = training_dataset(task_data, outputs(task_data), 4, 0, 0, 1)
    x, y = dataset.element_spec
    assert x == {
        "a": tf.TensorSpec((4, 4, 4, 1), tf.uint8),
        "b": tf.TensorSpec((4, 6, 6, 1), tf.uint8),
    }
    names = ["a/level1", "a/level2", "b/level1", "b/level2"]
    assert y == dict.fromkeys(names, tf.TensorSpec((4,), tf.int32))


def test_images_are_used_where_they_lie():
    """A large dataset is to be in memory once: what changes there changes in the batches."""
    data = make("a", 10, **PLAIN)
    pixels = image_tools.allocate(data.train.images.shape)
    pixels[:] = data.train.images
    data = TaskData(data.task, data.info, ImageSet(pixels, data.train.labels), data.test)
    dataset = training_dataset([data], outputs([data]), 10, 0, 0, 1)
    pixels[:] = 77
    ((x, _),) = dataset.as_numpy_iterator()
    assert (x["a"] == 77).all()


def test_the_end_of_a_pipeline_does_not_wait_for_a_tuner():
    """After a long training, TensorFlow's tuner may sleep for a minute before it ends."""
    data = [make("a", 10)]
    for dataset in (
        training_dataset(data, outputs(data), 5, 0, 0, 1),
        evaluation_dataset(data, outputs(data), 5),
    ):
        assert not dataset.options().autotune.enabled


def test_images_keep_their_labels_under_every_output():
    for x, y in run([make("a", 200, **PLAIN), make("b", 31, **PLAIN)], 16, epochs=2):
        for name in ("a", "b"):
            np.testing.assert_array_equal(x[name][:, 0, 0, 0], y[f"{name}/level1"])
            np.testing.assert_array_equal(y[f"{name}/level1"], y[f"{name}/level2"])


def test_every_pass_shows_every_example_once_in_a_new_order():
    task_data = [make("long", 100), make("short", 30)]
    batches = run(task_data, 20, epochs=2)
    epochs = [order(batches[:5], "long"), order(batches[5:], "long")]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(100))
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != np.arange(100)).any()

    shown = order(batches[:5], "short")  # 100 examples: three passes and a third of one
    passes = [shown[:30], shown[30:60], shown[60:90]]
    for one in passes:
        np.testing.assert_array_equal(np.sort(one), np.arange(30))
    assert (passes[0] != passes[1]).any() and (passes[1] != passes[2]).any()
    assert len(set(shown[90:])) == 10
    assert (order(batches[5:], "short")[:30] != passes[0]).any()


def test_the_last_batch_goes_on_into_the_next_pass():
    shown = order(run([make("a", 10)], 4), "a")
    assert len(shown) == 12
    np.testing.assert_array_equal(np.sort(shown[:10]), np.arange(10))


def test_a_resumed_run_sees_what_the_uninterrupted_one_sees():
    task_data = [make_noise("a", 50), make_noise("b", 13)]
    whole = run(task_data, 8, seed=7, epochs=5)
    steps = steps_per_epoch(task_data, 8)
    for first in (1, 3, 4):
        assert_same(run(task_data, 8, seed=7, first_epoch=first, epochs=5), whole[first * steps :])
    assert_same(run(task_data, 8, seed=7, epochs=5), whole)
    assert run(task_data, 8, seed=7, first_epoch=5, epochs=5) == []


def test_a_run_goes_on_within_an_epoch():
    task_data = [make_noise("a", 20, flip=True), make_noise("b", 12)]
    whole = run(task_data, 4, first_epoch=1, epochs=3)
    names = outputs(task_data)
    rest = training_dataset(task_data, names, 4, 0, first_epoch=1, epochs=3, first_step=3)
    assert len(rest) == len(whole) - 3
    for one, other in zip(rest.as_numpy_iterator(), whole[3:], strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("dataset", ["training", "evaluation"])
def test_the_shares_of_all_processes_are_the_whole_batch(dataset):
    task_data = [make_noise("a", 20, flip=True), make_noise("b", 13)]
    names = outputs(task_data)

    def batches(*share):
        if dataset == "training":
            return training_dataset(task_data, names, 6, 0, 0, 2, 0, *share).as_numpy_iterator()
        return evaluation_dataset(task_data, names, 6, *share).as_numpy_iterator()

    shares = zip(*(batches(Share(index, 3)) for index in range(3)), strict=True)
    for whole, parts in zip(batches(), shares, strict=True):
        joined = tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
        assert_same(joined, whole)


def test_a_batch_that_cannot_be_shared_is_refused():
    task_data = [make("a", 10)]
    with pytest.raises(UserError, match="batch of 5 images cannot be divided among 2 processes"):
        training_dataset(task_data, outputs(task_data), 5, 0, 0, 1, share=Share(1, 2))


def test_the_seed_and_the_name_determine_the_order():
    first = order(run([make("a", 60)], 60, seed=1), "a")
    assert (order(run([make("a", 60)], 60, seed=2), "a") != first).any()
    assert (order(run([make("b", 60)], 60, seed=1), "b") != first).any()


def test_a_task_sees_the_same_beside_others():
    data = make_noise("a", 40)
    alone = run([data], 8)
    beside = run([make_noise("z", 90), data, make_noise("b", 20)], 8)
    for (x, _), (many, _) in zip(alone, beside, strict=False):
        np.testing.assert_array_equal(x["a"], many["a"])


def crops_of(image, padding):
    """All crops of an image: {bytes: (row offset, column offset, flip)}."""
    size = image.shape[0]
    wide = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), mode="reflect")
    found = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = wide[top : top + size, left : left + size]
            found[crop.tobytes()] = (top - padding, left - padding, False)
            found[crop[:, ::-1].tobytes()] = (top - padding, left - padding, True)
    return found


def test_augmentation_is_a_padded_crop_and_flip_drawn_anew_in_every_pass():
    data = make_noise("a", 30, crop_padding=2)
    candidates = [crops_of(image, 2) for image in data.train.images]
    drawn = {i: [] for i in range(30)}
    for x, y in run([data, make("long", 60)], 30, epochs=10):
        for image, label in zip(x["a"], y["a/level1"], strict=True):
            drawn[label].append(candidates[label][image.tobytes()])
    assert all(len(crops) == 20 for crops in drawn.values())
    assert all(len(set(crops)) > 8 for crops in drawn.values())
    rows, columns, flips = np.array([crop for crops in drawn.values() for crop in crops]).T
    assert set(rows) == set(columns) == {-2, -1, 0, 1, 2}
    assert 0.4 < flips.mean() < 0.6


def test_without_augmentation_images_come_as_they_are():
    data = make_noise("a", 20, **PLAIN)
    for x, y in run([data], 10):
        np.testing.assert_array_equal(x["a"], data.train.images[y["a/level1"]])


def test_evaluation_shows_every_test_image_once_in_order():
    task_data = [make("a", 9, test=23), make("b", 9, test=8)]
    batches = list(evaluation_dataset(task_data, outputs(task_data), 5).as_numpy_iterator())
    assert len(batches) == 5
    for name, count in (("a", 23), ("b", 8)):
        for level in (1, 2):
            output = f"{name}/level{level}"
            labels = np.concatenate([y[output] for _, y, _ in batches])
            weights = np.concatenate([w[output] for _, _, w in batches])
            pixels = np.concatenate([x[name] for x, _, _ in batches])
            assert len(labels) == len(pixels) == 25
            np.testing.assert_array_equal(weights, np.arange(25) < count)
            np.testing.assert_array_equal(labels[:count], np.arange(count))
            np.testing.assert_array_equal(pixels[:count, 0, 0, 0], np.arange(count))


def test_evaluation_batches_are_full_and_typed():
    task_data = [make("a", 9, test=3)]
    dataset = evaluation_dataset(task_data, outputs(task_data), 5)
    x, y, weights = dataset.element_spec
    assert x == {"a": tf.TensorSpec((5, 4, 4, 1), tf.uint8)}
    names = ["a/level1", "a/level2"]
    assert y == dict.fromkeys(names, tf.TensorSpec((5,), tf.int32))
    assert weights == dict.fromkeys(names, tf.TensorSpec((5,), tf.float32))
    assert len(dataset) == 1
