"""Divides every batch among the devices of all processes."""

import contextlib

import keras

from dvn_tf.distribution.processes import Processes
from dvn_tf.errors import UserError


def data_parallel(
    processes: Processes, batch_size: int, most: int | None = None
) -> contextlib.AbstractContextManager[None]:
    """Trains on all devices of all processes what is built and fitted inside.

    Each device holds all weights and takes its part of every batch. Batch normalization and the
    loss see the whole batch, so that the number of devices changes rounding errors alone.

    Args:
        processes: the processes.
        batch_size: images of each task in a step, of all processes together.
        most: how many devices of each process to use; None uses all accelerators, or without
            any all devices that XLA makes of the processor, which is one unless it is asked.

    Raises:
        UserError: if there are not so many devices, or the batch cannot be divided evenly.
    """
    if keras.backend.backend() != "jax":
        if most is not None and most > 1:
            raise UserError(f"{most} devices need JAX: set KERAS_BACKEND=jax")
        return contextlib.nullcontext()
    import jax

    counts = processes.gather("devices", jax.local_device_count())
    each = min(counts) if most is None else most
    if each > min(counts):
        where = f" of process {counts.index(min(counts))}" if processes.count > 1 else ""
        raise UserError(
            f"{most} devices were asked for, and JAX sees {min(counts)}{where}: lower --devices"
        )
    total = each * processes.count
    if batch_size % total:
        parts = f"{total} devices"
        if processes.count > 1:
            parts = f"{processes.count} processes with {each} device{'s' * (each > 1)} each"
        raise UserError(
            f"a batch of {batch_size} images cannot be divided evenly among {parts}: make "
            f"Recipe.batch_size a multiple of {total}, or use fewer devices with --devices"
        )
    if total == 1:
        return contextlib.nullcontext()
    used = []
    for index in range(processes.count):
        used += [device for device in jax.devices() if device.process_index == index][:each]
    names = [f"{device.platform}:{device.id}" for device in used]
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope()
