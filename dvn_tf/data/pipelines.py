"""tf.data pipelines over images in memory, for training and for evaluation.

What a training pipeline delivers is a pure function of the seed, the task's name, the epoch, the
pass within the epoch and the example. So a run that resumes at epoch 3 sees exactly what an
uninterrupted run sees from epoch 3 on. And a task sees the same order and augmentation whichever
tasks are trained beside it; only the number of steps in an epoch depends on them.
"""

import contextlib
import dataclasses
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from dvn_tf.data import images as image_tools
from dvn_tf.data.augmentation import crop_and_flip, draw_crops
from dvn_tf.data.encoded import LazyImages
from dvn_tf.data.task_data import ImageSet, TaskData
from dvn_tf.errors import UserError
from dvn_tf.machine import num_cores

# What TensorFlow makes of an error that Python raised in a pipeline.
_READING_ERROR = re.compile(rf"\b{UserError.__name__}: (.+)$", re.MULTILINE)
_AHEAD = 4  # batches that wait; left to itself, tf.data keeps more and more of them
_ALGORITHM = "philox"  # named, so that a device's default cannot change the numbers


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of every batch that one of several processes reads and decodes.

    Args:
        index: The number of the process, from 0.
        count: The number of processes.
    """

    index: int = 0
    count: int = 1

    def of(self, batch_size: int) -> slice:
        """Returns the positions in a batch that belong to the share.

        Args:
            batch_size: Images in the whole batch.

        Raises:
            UserError: If the batch cannot be divided evenly.
        """
        if batch_size % self.count:
            raise UserError(
                f"A batch of {batch_size} images cannot be divided among {self.count} processes: "
                f"choose a batch size that is a multiple of {self.count}."
            )
        size = batch_size // self.count
        return slice(self.index * size, (self.index + 1) * size)


ALL = Share()


def steps_per_epoch(task_data: Sequence[TaskData], batch_size: int) -> int:
    """The number of steps in which the longest task is seen once.

    Every batch is full: the last one of an epoch is filled up from the task's next pass.

    Args:
        task_data: The tasks' images.
        batch_size: Images of each task in a step.

    Returns:
        The number of training images of the longest task, divided by the batch size, rounded up.

    Raises:
        UserError: If a batch is larger than some task's training set.
    """
    for data in task_data:
        if not 0 < batch_size <= len(data.train):
            raise UserError(
                f"A batch of {batch_size} images cannot be drawn from task {data.task.name!r}, "
                f"which has {len(data.train)} training images: choose a batch size from 1 to "
                f"{min(len(d.train) for d in task_data)}."
            )
    return -(-max(len(data.train) for data in task_data) // batch_size)


def training_dataset(
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    first_step: int = 0,
    share: Share = ALL,
) -> tf.data.Dataset:
    """Builds shuffled and augmented batches; each element holds a batch of every task.

    An epoch lasts until the longest task is seen once. Shorter tasks start over within it, each
    pass in a new order and with new augmentation.

    Args:
        task_data: The tasks' images.
        outputs: For each task's name, the names of the network's outputs that learn it.
        batch_size: Images of each task in a step.
        seed: Determines order and augmentation.
        first_epoch: The epoch to start at, from 0.
        epochs: The epoch to stop before.
        first_step: The step of the first epoch to start at, from 0.
        share: The part of each batch to deliver. The shares of all processes, side by side, are
            the batch that a single process would get.

    Returns:
        A dataset of pairs: {task name: uint8 (batch, height, width, channels)} and
        {output name: int32 labels (batch,)}, of
        `(epochs - first_epoch) * steps_per_epoch(task_data, batch_size) - first_step` elements.

    Raises:
        UserError: If a batch is larger than some task's training set, or cannot be shared.
    """
    steps = steps_per_epoch(task_data, batch_size)
    part = share.of(batch_size)
    stores = {data.task.name: _store(data.train) for data in task_data}

    def epoch_plan(epoch):
        return {data.task.name: _plan(data, seed, epoch, steps, batch_size) for data in task_data}

    def batch(plan):
        x, y = {}, {}
        for data in task_data:
            name = data.task.name
            images, labels = stores[name]
            mine = {key: values[part] for key, values in plan[name].items()}
            index = mine["index"]
            y |= dict.fromkeys(outputs[name], tf.gather(labels, index))
            if isinstance(images, LazyImages):
                images = _decoded(images, index, index.shape[0])
                index = tf.range(len(images))
            size = None if data.info.crop_from is None else data.info.image_shape[0]
            x[name] = crop_and_flip(images, index, mine["offset"], mine["flip"], size)
        return x, y

    dataset = tf.data.Dataset.range(first_epoch, epochs)
    dataset = dataset.flat_map(lambda e: tf.data.Dataset.from_tensor_slices(epoch_plan(e)))
    dataset = dataset.skip(first_step)  # before any image is touched
    dataset = dataset.map(batch, num_parallel_calls=num_cores(), deterministic=True)
    length = max(0, (epochs - first_epoch) * steps - first_step)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return _as_written(dataset.prefetch(_AHEAD))


def epoch_plan(
    data: TaskData, seed: int, epoch: int, steps: int, batch_size: int
) -> dict[str, np.ndarray]:
    """What `training_dataset` shows of a task in an epoch, without its images.

    Args:
        data: The task.
        seed: As for `training_dataset`.
        epoch: The epoch, from 0.
        steps: Steps of an epoch, as `steps_per_epoch` counts them.
        batch_size: Images of each task in a step.

    Returns:
        `index`: int32 (steps, batch), positions of the images; `offset`: int32 (steps, batch, 2)
        and `flip`: bool (steps, batch), as `augmentation.crop_and_flip` takes them.
    """
    plan = _plan(data, seed, tf.constant(epoch, tf.int64), steps, batch_size)
    return {name: values.numpy() for name, values in plan.items()}


def evaluation_dataset(
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    batch_size: int,
    share: Share = ALL,
) -> tf.data.Dataset:
    """Builds batches of all tasks' test images, each image once, in the dataset's order.

    Every batch is full: when a task has no more images, examples of weight 0 fill it.

    Args:
        task_data: The tasks' images.
        outputs: For each task's name, the names of the network's outputs that learn it.
        batch_size: Images of each task in a step.
        share: The part of each batch to deliver, as for `training_dataset`.

    Returns:
        A dataset of triples: {task name: uint8 (batch, height, width, channels)},
        {output name: int32 labels (batch,)} and {output name: float32 weights (batch,)},
        the weights 1 for a test image and 0 for filling.

    Raises:
        UserError: If a batch cannot be shared.
    """
    part = share.of(batch_size)
    positions = tf.range(part.start, part.stop, dtype=tf.int64)
    stores = {data.task.name: _store(data.test) for data in task_data}

    def batch(step):
        x, y, weights = {}, {}, {}
        for name, (images, labels) in stores.items():
            index = step * batch_size + positions
            weight = tf.cast(index < len(labels), tf.float32)
            index = tf.minimum(index, len(labels) - 1)
            if isinstance(images, LazyImages):
                x[name] = _decoded(images, index, part.stop - part.start)
            else:
                x[name] = tf.gather(images, index)
            y |= dict.fromkeys(outputs[name], tf.gather(labels, index))
            weights |= dict.fromkeys(outputs[name], weight)
        return x, y, weights

    steps = -(-max(len(data.test) for data in task_data) // batch_size)
    dataset = tf.data.Dataset.range(steps)
    dataset = dataset.map(batch, num_parallel_calls=num_cores(), deterministic=True)
    return _as_written(dataset.prefetch(_AHEAD))


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
    """Raises errors of reading images as they are, within a block that draws from a pipeline.

    tf.data turns an image that has become unreadable since it was loaded into an error of its own.

    Raises:
        UserError: If an image cannot be read.
    """
    try:
        yield
    except tf.errors.OpError as err:
        found = _READING_ERROR.search(err.message)
        if found is None:
            raise
        raise UserError(found[1]) from err


def _decoded(images: LazyImages, index: tf.Tensor, count: int) -> tf.Tensor:
    """Decodes the images at `count` positions while the pipeline runs."""
    # Said to be stateless, it stays parallel where operations must be deterministic.
    decoded = tf.numpy_function(images.__getitem__, [index], tf.uint8, stateful=False)
    return tf.ensure_shape(decoded, (count, *images.shape[1:]))


def _store(images: ImageSet) -> tuple[tf.Tensor | LazyImages, tf.Tensor]:
    """The images and labels as tensors on the CPU: a GPU's memory is for the network.

    Images that are not decoded stay as they are.
    """
    pixels = images.images
    if isinstance(pixels, LazyImages):
        with tf.device("CPU:0"):
            return pixels, tf.constant(images.labels)
    if pixels.ctypes.data % image_tools.ALIGNMENT or not pixels.flags.c_contiguous:
        pixels = image_tools.allocate(pixels.shape)
        np.copyto(pixels, images.images)
    with tf.device("CPU:0"):
        # `tf.constant` would copy them, twice.
        return tf.experimental.dlpack.from_dlpack(pixels.__dlpack__()), tf.constant(images.labels)


def _as_written(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps tf.data from changing the pipeline.

    Rewriting its graph would copy every tensor in it. Tuning it would have its end wait for the
    tuner, which sleeps for up to a minute.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return dataset.with_options(options)


def _plan(data: TaskData, seed: int, epoch, steps: int, batch_size: int):
    """Which examples an epoch shows in which crops, as tensors of shape (steps, batch, ...)."""
    count = len(data.train)
    needed = steps * batch_size
    # The name, not the position, so that the tasks beside this one make no difference.
    key = tf.constant([seed, zlib.crc32(data.task.name.encode())], tf.int64)
    key = tf.random.experimental.stateless_fold_in(key, epoch, alg=_ALGORITHM)

    def one_pass(number):
        pass_key = tf.random.experimental.stateless_fold_in(key, number, alg=_ALGORITHM)
        order_key, crop_key = tf.unstack(tf.random.split(pass_key, 2, alg=_ALGORITHM))
        order = tf.random.experimental.stateless_shuffle(tf.range(count), order_key, alg=_ALGORITHM)
        crops = draw_crops(data.task, data.info.image_shape, count, crop_key, _ALGORITHM)
        # Drawn by example, then put into the pass's order.
        return {"index": order} | {k: tf.gather(v, order) for k, v in crops.items()}

    passes = -(-needed // count)
    specs = {
        "index": tf.TensorSpec((count,), tf.int32),
        "offset": tf.TensorSpec((count, 2), tf.int32),
        "flip": tf.TensorSpec((count,), tf.bool),
    }
    plans = tf.map_fn(one_pass, tf.range(passes), fn_output_signature=specs)

    def to_batches(values):
        flat = tf.reshape(values, (passes * count, *values.shape[2:]))[:needed]
        return tf.reshape(flat, (steps, batch_size, *values.shape[2:]))

    return {name: to_batches(values) for name, values in plans.items()}
