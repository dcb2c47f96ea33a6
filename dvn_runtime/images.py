"""Images on their way into a network: arrays are checked, files are read."""

import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedTask


def check_images(images, task: ExportedTask) -> np.ndarray:
    """Checks that images are what the networks of a task take.

    Args:
        images: one image (height, width, channels) or a batch (n, height, width, channels),
            uint8 or floats, pixels 0..255.
        task: the task.

    Returns:
        The batch, (n, height, width, channels).

    Raises:
        UserError: if shape, type or range of the pixels is another, or a pixel is not a number.
    """
    try:
        batch = np.asarray(images)
    except ValueError:
        raise UserError("the images differ in shape: resize them first") from None
    if batch.shape == task.image_shape:
        batch = batch[np.newaxis]
    if batch.ndim != 4 or batch.shape[1:] != task.image_shape:
        raise UserError(
            f"task {task.name!r} takes images of shape {task.image_shape} or "
            f"{('n', *task.image_shape)}".replace("'n'", "n")
            + f", not {batch.shape}"
        )
    if batch.dtype != np.uint8 and batch.dtype.kind != "f":
        raise UserError(f"pixels must be uint8 or floats, not {batch.dtype}: convert with astype")
    if batch.dtype == np.uint8 or not batch.size:
        return batch
    least, greatest = batch.min(), batch.max()
    if not np.isfinite(least + greatest):
        raise UserError("the images hold pixels that are NaN or infinite")
    if least < 0 or greatest > 255:
        raise UserError(
            f"pixels must lie in 0..255, not {least:g}..{greatest:g}: the networks normalize "
            "them themselves"
        )
    if 0 < greatest <= 1:
        warnings.warn(
            "every pixel is at most 1: networks take pixels of 0..255, not of 0..1", stacklevel=3
        )
    return batch


def read_image(path: str | os.PathLike, task: ExportedTask) -> np.ndarray:
    """Reads an image file the way the networks of a task take it.

    The image is turned upright, resized to the task's size whatever its aspect ratio (bilinear,
    as in training) and converted to grey or RGB.

    Args:
        path: a PNG or JPEG file, or another format that Pillow reads.
        task: the task.

    Returns:
        uint8, (height, width, channels).

    Raises:
        UserError: naming the file, if it cannot be read or the task's images are neither grey
            nor RGB.
    """
    height, width, channels = task.image_shape
    if channels not in (1, 3):
        raise UserError(f"task {task.name!r} takes {channels} channels: files have 1 or 3")
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):
                image = _to_eight_bits(image)
            image = image.convert("L" if channels == 1 else "RGB")
    # Pillow's decoders raise more than OSError on damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the image {os.fspath(path)}: {reason}") from None
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(task.image_shape)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Brings 16-bit grey to 8 bits by scale, where Pillow would cut off all above 255."""
    if image.mode == "F":
        raise ValueError("its pixels are floats")
    wide = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.rint(np.clip(wide, 0, 65535) / 257).astype(np.uint8))
