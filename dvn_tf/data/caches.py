"""How a task's images are held in memory: decoded, encoded, or not at all.

All ways give the same images: they are decoded by the same function.
"""

import math
from collections.abc import Sequence

import numpy as np

from dvn_tf import machine
from dvn_tf.data import images as image_tools
from dvn_tf.data import progress
from dvn_tf.data.encoded import EncodedImages, LazyImages, Packed
from dvn_tf.data.tasks import DECODED, ENCODED, FILES, Task
from dvn_tf.errors import UserError
from dvn_tf.machine import bytes_text

_SHARE = 0.5  # of the memory that is free, unless the task says how much


def _decoded_bytes(splits: Sequence[EncodedImages]) -> int:
    """The bytes of some images while they are decoded."""
    return sum(int(np.prod(split.shape, dtype=object)) for split in splits)


def _encoded_bytes(splits: Sequence[EncodedImages]) -> int:
    """The bytes of some images while they are encoded."""
    return sum(int(split.sizes.sum()) for split in splits)


_HELD_BYTES = {DECODED: _decoded_bytes, ENCODED: _encoded_bytes}


def choose_cache(task: Task, splits: Sequence[EncodedImages]) -> str:
    """Chooses how to hold the images of a task, unless the task says it.

    Args:
        task: The task.
        splits: All its images.

    Returns:
        `DECODED`, `ENCODED` or `FILES`: the first of them whose images fit into the memory that
        the task allows, or into half of what is free. What cannot be read at random is held.

    Raises:
        UserError: If the task allows less memory than it takes.
    """
    cache = task.cache or _fitting_cache(task.memory_bytes(), splits)
    if cache == FILES:
        _check_random_access(task, splits)
    else:
        check_memory(task, _HELD_BYTES[cache](splits))
    return cache


def _fitting_cache(limit: int | None, splits: Sequence[EncodedImages]) -> str:
    if limit is None:
        available = machine.available_memory()
        limit = math.inf if available is None else _SHARE * available
    for cache, held_bytes in _HELD_BYTES.items():  # the size of all files takes a while to find
        if held_bytes(splits) <= limit:
            return cache
    return FILES if all(split.random_access for split in splits) else ENCODED


def hold(
    split: EncodedImages, cache: str, counts: image_tools.ChannelCounts | None = None
) -> np.ndarray | LazyImages:
    """Reads all images of a split once, and keeps them as `cache` says.

    Every image is decoded here, so damaged ones are found.

    Args:
        split: The images.
        cache: `DECODED`, `ENCODED` or `FILES`.
        counts: Counts their pixel values, if given.

    Returns:
        The images, uint8 of shape (n, height, width, channels).

    Raises:
        UserError: If images are damaged, or there is not enough memory.
    """
    room = packed = None
    if cache == DECODED:
        room = image_tools.allocate(split.shape)
    elif cache == ENCODED:
        _check_free(split)
        packed = Packed(split.sizes)
    start = 0
    with progress.counter(len(split.labels), f"Reading {split.name}") as counter:
        for contents, decoded in split.chunks(packed is not None, cache == FILES):
            if room is not None:
                room[start : start + len(decoded)] = decoded
            if packed is not None:
                _fill(packed, start, contents, split.name)
            if counts is not None:
                counts.add(decoded)
            start += len(decoded)
            counter.update(len(decoded))
    if room is not None:
        return room
    if packed is not None:
        return LazyImages(split.shape, lambda i: split.decode(i, packed[i]), packed.nbytes)
    return LazyImages(split.shape, split.decode, 0)


def _check_free(split: EncodedImages) -> None:
    size, available = _encoded_bytes([split]), machine.available_memory()
    if available is not None and size > available:
        raise UserError(
            f"The encoded images of {split.name} take {bytes_text(size)} of memory, and "
            f"{bytes_text(available)} are free: choose Task.cache 'files', or fewer images."
        )


def _fill(packed: Packed, start: int, contents: Sequence[bytes], name: str) -> None:
    try:
        packed.fill(start, contents)
    except ValueError as err:
        raise UserError(f"Files of {name} changed while they were read: run again.") from err


def describe_cache(cache: str, splits: Sequence[EncodedImages]) -> str:
    """How images are held, in words: "held decoded in 47 MB of memory"."""
    if cache == FILES:
        return "read from their files whenever they are needed"
    return f"held {cache} in {bytes_text(_HELD_BYTES[cache](splits))} of memory"


def check_memory(task: Task, size: int) -> None:
    """Checks that images fit into the memory that a task allows.

    Args:
        task: The task.
        size: The bytes of its images.

    Raises:
        UserError: If they do not.
    """
    limit = task.memory_bytes()
    if limit is not None and size > limit:
        raise UserError(
            f"Task {task.name!r}: its images take {bytes_text(size)} of memory, more than "
            f"memory {task.memory!r} allows: allow more, or leave out Task.cache or choose "
            "'files', where the dataset has it."
        )


def _check_random_access(task: Task, splits: Sequence[EncodedImages]) -> None:
    if not all(split.random_access for split in splits):
        raise UserError(
            f"Task {task.name!r}: the files of {task.dataset!r} cannot be read image by image, "
            "because they are not TFRecord files in a local folder: choose cache 'encoded'."
        )
