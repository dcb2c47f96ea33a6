"""Decoded images in memory: allocation, resizing and statistics."""

import math

import numpy as np
from PIL import Image

from dvn_tf import machine
from dvn_tf.errors import UserError

ALIGNMENT = 64  # bytes; TensorFlow's kernels need it

_CHUNK = 1024  # images at a time, so that wide integers of the whole set never exist


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """Allocates an array of images that TensorFlow can use without copying it.

    Args:
        shape: Shape of the array.

    Returns:
        uint8 of that shape, not initialized.

    Raises:
        UserError: If there is not enough memory.
    """
    size = math.prod(shape)
    available = machine.available_memory()
    try:
        if available is not None and size > available:
            raise MemoryError
        room = np.empty(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):
        free = "" if available is None else f", and {available / 1e9:,.1f} GB are free"
        raise UserError(
            f"{shape[0]:,} images of {' x '.join(map(str, shape[1:]))} take {size / 1e9:,.1f} GB "
            f"of memory{free}: set a smaller Task.image_size or Task.train_examples, or fewer "
            "Task.classes."
        ) from None
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].reshape(shape)


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resizes square images, bilinear with antialiasing.

    Args:
        images: uint8 of shape (n, height, width, channels), 1 or 3 channels.
        size: Height and width of the result in pixels.

    Returns:
        uint8 of shape (n, size, size, channels); `images` itself if it has that size already.
    """
    if images.shape[1:3] == (size, size):
        return images
    result = allocate((len(images), size, size, images.shape[3]))
    for i, image in enumerate(images):
        pixels = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        # Pillow's resampling widens its kernel when it shrinks: that is the antialiasing.
        resized = pixels.resize((size, size), Image.Resampling.BILINEAR)
        result[i] = np.asarray(resized).reshape(result.shape[1:])
    return result


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel.

    Args:
        images: uint8 of shape (n, height, width, channels).

    Returns:
        Means and standard deviations, one per channel, of pixel values 0..255. A channel
        with one value only gets a standard deviation of 1, so that dividing by it is safe.
    """
    channels = images.shape[-1]
    # Counting the 256 values is exact, whatever the number of images and their order.
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), _CHUNK):
        for channel in range(channels):
            values = images[start : start + _CHUNK, ..., channel].ravel()
            counts[channel] += np.bincount(values, minlength=256)
    values = np.arange(256)
    total = counts.sum(axis=1)
    means = counts @ values / total
    variances = (counts * (values - means[:, None]) ** 2).sum(axis=1) / total
    deviations = np.sqrt(variances)
    return tuple(means.tolist()), tuple((np.where(deviations > 0, deviations, 1)).tolist())
