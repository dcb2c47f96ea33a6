"""Random crops with a reflected border, and flips, by index arithmetic.

No image is padded: pixel i of a crop is pixel `reflect(i + offset)` of the image. So a batch
takes two gathers, one of rows and one of columns, whatever the offsets and flips of its images.
"""

import tensorflow as tf


def crop_padding(task, image_size: int) -> int:
    """The width in pixels of the reflected border that a task's crops may reach into."""
    return image_size // 8 if task.crop_padding is None else task.crop_padding


def draw_crops(task, image_shape, count: int, seed, algorithm: str):
    """Draws a crop for each of a task's examples.

    Args:
        task: The task, which says where crops may lie and whether to flip.
        image_shape: Height and width of a crop in pixels, channels.
        count: Number of examples.
        seed: Integer tensor of shape (2,).
        algorithm: TensorFlow's random number generator.

    Returns:
        `offset`: int32 (count, 2), rows and columns by which a crop's origin lies off the
        image's: from -padding to padding, or within the square that `task.resize` leaves to
        crop from; `flip`: bool (count,).
    """
    nearest, farthest = _reach(task, image_shape[0])
    offset_seed, flip_seed = tf.unstack(tf.random.split(seed, 2, alg=algorithm))
    offset = tf.random.stateless_uniform(
        (count, 2), offset_seed, nearest, farthest + 1, tf.int32, alg=algorithm
    )
    flip = tf.random.stateless_uniform((count,), flip_seed, 0, 2, tf.int32, alg=algorithm)
    return {"offset": offset, "flip": (flip == 1) & task.flip}


def _reach(task, size: int) -> tuple[int, int]:
    """The least and the greatest offset of a crop."""
    if task.crop_from() is not None:
        return 0, task.crop_from() - size
    padding = crop_padding(task, size)
    return -padding, padding


def crop_and_flip(images, index, offset, flip, size: int | None = None):
    """Crops images that are extended by reflection, and mirrors some.

    The result equals padding each image by `numpy.pad(mode="reflect")`, slicing it, and
    mirroring it where `flip` says so.

    Args:
        images: (n, height, width, channels).
        index: int32 (batch,), positions in `images`.
        offset: int32 (batch, 2), rows and columns by which a crop's origin lies off the
            image's, smaller than height and width in absolute value.
        flip: bool (batch,), whether to mirror left and right.
        size: Height and width of the crops in pixels. None is those of the images.

    Returns:
        (batch, height, width, channels) of the crops, of the images' type.
    """
    count, height, width, channels = images.shape
    rows = _reflect(tf.range(size or height) + offset[:, :1], height)  # (batch, height)
    columns = _reflect(tf.range(size or width) + offset[:, 1:], width)  # (batch, width)
    columns = tf.where(flip[:, None], columns[:, ::-1], columns)
    # 64 bits: a large dataset has more rows than 32 bits count.
    rows = tf.cast(index, tf.int64)[:, None] * height + tf.cast(rows, tf.int64)
    all_rows = tf.reshape(images, (count * height, width, channels))
    cropped = tf.gather(all_rows, rows)  # (batch, height, width, channels)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def _reflect(position, size: int):
    """Positions beyond either end of 0..size-1, mirrored at the outermost pixel."""
    position = tf.abs(position)
    return (size - 1) - tf.abs((size - 1) - position)
