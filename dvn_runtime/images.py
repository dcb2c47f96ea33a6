"""Input images: checks arrays, and reads files."""

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from dvn_runtime.errors import UserError, shown
from dvn_runtime.files import read_bytes
from dvn_runtime.manifest import ExportedTask

# Pillow reads more; it starts Ghostscript for EPS, and old formats are read by old code.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MOST_BYTES = 256 * 2**20  # of a file
_MOST_PIXELS = 2**26  # of an image in a file, 8192 x 8192


def check_images(images: np.typing.ArrayLike, task: ExportedTask) -> np.ndarray:
    """Checks that the networks of a task can take some images.

    Args:
        images: one image (height, width, channels) or a batch (n, height, width, channels),
            uint8 or floats, pixels 0..255.
        task: the task.

    Returns:
        The batch, (n, height, width, channels).

    Raises:
        UserError: if the shape, dtype or range is wrong, or a pixel is NaN or infinite.
    """
    try:
        batch = np.asarray(images)
    except ValueError:
        raise UserError("the images differ in shape: resize them to one shape") from None
    except Exception as error:  # whatever an object does when NumPy asks it for an array
        raise UserError(f"the images are no array: {type(error).__name__}: {error}") from None
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
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise UserError("some pixels are NaN or infinite")
    if least < 0 or greatest > 255:
        raise UserError(
            f"pixels must lie in 0..255, not {least:g}..{greatest:g}: do not normalize them, the "
            "networks do that"
        )
    if 0 < greatest <= 1:
        warnings.warn(
            "no pixel is greater than 1: networks take pixels of 0..255, not of 0..1", stacklevel=3
        )
    return batch


def read_image(path: str | os.PathLike, task: ExportedTask) -> np.ndarray:
    """Reads an image file in the form that the networks of a task take.

    The image is turned upright, converted to grey or RGB, and brought to the task's size as the
    test images of its training were: it is resized (bilinear, without keeping the aspect ratio),
    or the middle of its resized central square is taken, where the task says `crop_from`.

    Args:
        path: a file in PNG, JPEG, BMP, GIF (its first image), WebP, TIFF or PPM.
        task: the task.

    Returns:
        uint8, (height, width, channels).

    Raises:
        UserError: if the file cannot be read, or has more than 67 million pixels, or if the
            task's images are neither grey nor RGB.
    """
    height, width, channels = task.image_shape
    if channels not in (1, 3):
        raise UserError(
            f"task {task.name!r} takes {channels} channels, but image files are read with 1 or 3: "
            "use `predict` with arrays"
        )
    try:
        content = io.BytesIO(read_bytes(path, _MOST_BYTES))
        with Image.open(content, formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError(f"it has {opened.width} x {opened.height} pixels, too many")
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):
                image = _to_eight_bits(image)
            image = image.convert("L" if channels == 1 else "RGB")
            if task.crop_from is None:
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            else:
                image = _middle(image, width, height, task.crop_from)
    except Exception as error:  # Pillow's decoders raise errors of any kind on damaged files
        name, reason = _name(path), " ".join(str(error).split()) or type(error).__name__
        reason = reason.removeprefix(f"cannot read {name}: ").removeprefix(f"{name} ")
        raise UserError(f"cannot read the image {name}: {reason:.300}") from None
    return np.asarray(image).reshape(task.image_shape)


def _middle(image: Image.Image, width: int, height: int, crop_from: int) -> Image.Image:
    """The middle of the central square, after that is resized."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    square = square.resize((crop_from, crop_from), Image.Resampling.BILINEAR)
    left, top = (crop_from - width) // 2, (crop_from - height) // 2
    return square.crop((left, top, left + width, top + height))


def _name(path) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else shown(path)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey to 8 bits, where Pillow would clip at 255."""
    if image.mode == "F":
        raise ValueError("its pixels are floats, not integers")
    wide = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.rint(np.clip(wide, 0, 65535) / 257).astype(np.uint8))
