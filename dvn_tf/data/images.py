"""Decoded images: allocation, resizing and statistics."""

import math

import numpy as np
from PIL import Image

from dvn_tf import machine
from dvn_tf.errors import UserError

ALIGNMENT = 64  # bytes; TensorFlow's kernels need it

_CHUNK = 1024  # images at a time, so that wide integers of the whole set never exist
_CHUNK_BYTES = 2**26
_PILLOW_CHANNELS = (1, 3)  # grey and RGB


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


def chunk_length(shape: tuple[int, ...]) -> int:
    """How many images of a set to decode at a time while it is read.

    Args:
        shape: Shape of the whole set.

    Returns:
        As many as take 64 MB, but from 8 to 256.
    """
    return min(256, max(8, _CHUNK_BYTES // math.prod(shape[1:])))


def middle(images, size: int):
    """The middle of images that are square.

    Args:
        images: An array or tensor of shape (..., height, width, channels).
        size: Height and width of the middle in pixels.

    Returns:
        (..., size, size, channels).
    """
    start = (images.shape[-3] - size) // 2
    return images[..., start : start + size, start : start + size, :]


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


class ChannelCounts:
    """Counts the pixel values of each channel while images are read, a chunk at a time.

    Counts of the 256 values are exact, whatever the number of images, their order and the chunks.

    Args:
        channels: How many channels the images have.
    """

    def __init__(self, channels: int):
        self._counts = np.zeros((channels, 256), np.int64)

    def add(self, images: np.ndarray) -> None:
        """Counts some more images.

        Args:
            images: uint8 of shape (n, height, width, channels).
        """
        channels = len(self._counts)
        if channels in _PILLOW_CHANNELS and images.size:  # five times as fast
            lines = images.reshape(-1, images.shape[2], channels)
            pixels = Image.fromarray(lines[..., 0] if channels == 1 else lines)
            self._counts += np.reshape(pixels.histogram(), (channels, 256))
            return
        for channel in range(channels):
            self._counts[channel] += np.bincount(images[..., channel].ravel(), minlength=256)

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel of all images so far.

        Returns:
            Means and standard deviations, one per channel, of pixel values 0..255. A channel
            with one value only gets a standard deviation of 1, so that dividing by it is safe.
        """
        values = np.arange(256)
        total = self._counts.sum(axis=1)
        means = self._counts @ values / total
        variances = (self._counts * (values - means[:, None]) ** 2).sum(axis=1) / total
        deviations = np.sqrt(variances)
        return tuple(means.tolist()), tuple((np.where(deviations > 0, deviations, 1)).tolist())


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of images in memory.

    Args:
        images: uint8 of shape (n, height, width, channels).

    Returns:
        What `ChannelCounts.statistics` does.
    """
    counts = ChannelCounts(images.shape[-1])
    for start in range(0, len(images), _CHUNK):
        counts.add(images[start : start + _CHUNK])
    return counts.statistics()
