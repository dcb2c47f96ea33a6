"""Batches of images that stay on the accelerator and are cropped and mirrored there, under JAX.

The images of a task are copied to the device once, as uint8. A step then takes no more than its
plan from the host: which images, in which crops, with which labels. The plans are those of
`pipelines`, so the batches have the same pixels.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np

from dvn_tf.data import ImageSet, TaskData, pipelines
from dvn_tf.errors import UserError

Outputs = Mapping[str, Sequence[str]]


def training_dataset(
    task_data: Sequence[TaskData],
    outputs: Outputs,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    first_step: int = 0,
    share: pipelines.Share = pipelines.ALL,
) -> Iterator[tuple[dict, dict]]:
    """Yields the batches of `pipelines.training_dataset`, with images that lie on the device.

    The arguments are the same.

    Raises:
        UserError: if the images do not fit on the device or are not decoded, if a batch is larger
            than some task's training set, or if several processes train.
    """
    steps = pipelines.steps_per_epoch(task_data, batch_size)
    stores = _stores({data.task.name: data.train for data in task_data}, share)
    sizes = {
        data.task.name: None if data.info.crop_from is None else data.info.image_shape[0]
        for data in task_data
    }

    def batches():
        for epoch in range(first_epoch, epochs):
            plans = {
                data.task.name: pipelines.epoch_plan(data, seed, epoch, steps, batch_size)
                for data in task_data
            }
            for step in range(first_step if epoch == first_epoch else 0, steps):
                x, y = {}, {}
                for name, (images, labels) in stores.items():
                    plan = {key: values[step] for key, values in plans[name].items()}
                    x[name] = _crop_and_flip()(images, **plan, size=sizes[name])
                    y |= dict.fromkeys(outputs[name], labels[plan["index"]])
                yield x, y

    return batches()


def evaluation_dataset(
    task_data: Sequence[TaskData],
    outputs: Outputs,
    batch_size: int,
    share: pipelines.Share = pipelines.ALL,
) -> keras.utils.PyDataset:
    """The batches of `pipelines.evaluation_dataset`, with images that lie on the device.

    The arguments are the same.

    Raises:
        UserError: as `training_dataset`.
    """
    stores = _stores({data.task.name: data.test for data in task_data}, share)
    return _TestBatches(stores, outputs, batch_size)


class _TestBatches(keras.utils.PyDataset):
    """Batches of all test images; examples of weight 0 fill the last ones."""

    def __init__(self, stores: Mapping[str, tuple], outputs: Outputs, batch_size: int):
        super().__init__()
        self.stores = stores
        self.outputs = outputs
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-max(len(labels) for _, labels in self.stores.values()) // self.batch_size)

    def __getitem__(self, step: int) -> tuple[dict, dict, dict]:
        positions = step * self.batch_size + np.arange(self.batch_size, dtype=np.int32)
        x, y, weights = {}, {}, {}
        for name, (images, labels) in self.stores.items():
            index = np.minimum(positions, np.int32(len(labels) - 1))
            weight = (positions < len(labels)).astype(np.float32)
            x[name] = _take()(images, index)
            y |= dict.fromkeys(self.outputs[name], labels[index])
            weights |= dict.fromkeys(self.outputs[name], weight)
        return x, y, weights


def _stores(sets: Mapping[str, ImageSet], share: pipelines.Share) -> dict[str, tuple]:
    """{task: its images on the device, its labels on the host}."""
    import jax

    if share != pipelines.ALL:
        raise UserError(
            "Recipe.images_on_device is for a single process: leave it out where several train"
        )
    stores = {}
    for name, images in sets.items():
        if not isinstance(images.images, np.ndarray):
            raise UserError(
                f"the images of task {name} are not held decoded, as Recipe.images_on_device "
                "needs them: hold them decoded, or leave it out"
            )
        try:
            on_device = jax.block_until_ready(jax.device_put(images.images))
        except jax.errors.JaxRuntimeError as error:
            raise UserError(
                f"the images of task {name} take {images.images.nbytes / 1e6:,.0f} MB and do not "
                "fit on the device beside what is there: train with Recipe.images_on_device = False"
            ) from error
        stores[name] = on_device, images.labels
    return stores


@functools.cache
def _take():
    import jax

    return jax.jit(lambda images, index: images[index])


@functools.cache
def _crop_and_flip():
    """`augmentation.crop_and_flip` for JAX, compiled."""
    import jax
    from jax import numpy as jnp

    def reflect(position, size):
        return (size - 1) - jnp.abs((size - 1) - jnp.abs(position))

    @functools.partial(jax.jit, static_argnames="size")
    def crop_and_flip(images, index, offset, flip, size):
        _, height, width, _ = images.shape
        rows = reflect(jnp.arange(size or height) + offset[:, :1], height)
        columns = reflect(jnp.arange(size or width) + offset[:, 1:], width)
        columns = jnp.where(flip[:, None], columns[:, ::-1], columns)
        return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]

    return crop_and_flip
