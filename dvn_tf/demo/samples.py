"""A few images to try an export with: digits that come with scikit-learn, or files of a folder."""

import dataclasses
import io
import os
import pathlib

from PIL import Image

from dvn_tf.errors import UserError

_MOST = 20  # images
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
}
_MOST_BYTES = 16 * 2**20  # of a file


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image to try an export with.

    Attributes:
        content: an image file that browsers know.
        content_type: its type, such as "image/png".
        label: the name of its class; None if it is not known.
    """

    content: bytes
    content_type: str
    label: str | None


def of_digits() -> list[Sample]:
    """Test images of scikit-learn's digits, each digit twice."""
    from dvn_tf.data.digits import Digits

    source = Digits()
    images, labels = source.read("test", lambda labels: slice(None))
    positions = [
        position
        for turn in range(_MOST // 10)
        for digit in range(10)
        for position in (labels == digit).nonzero()[0][turn : turn + 1]
    ]
    return [
        Sample(_png(images[i, ..., 0]), "image/png", source.class_names[labels[i]])
        for i in positions
    ]


def of_folder(folder: str | os.PathLike) -> list[Sample]:
    """Image files of a folder and of its folders, which name classes; some of each.

    Args:
        folder: holds image files, or a folder of them for each class.

    Raises:
        UserError: if there is no image file in it.
    """
    folder = pathlib.Path(folder)
    groups = [(None, _files(folder))]
    groups += [(path.name, _files(path)) for path in sorted(folder.iterdir()) if path.is_dir()]
    groups = [(label, files) for label, files in groups if files]
    if not groups:
        raise UserError(f"there is no image file in {folder}: {', '.join(_TYPES)} are shown")
    turns = range(max(len(files) for _, files in groups))
    # One of each class in turn, so that all classes are there before any is there twice.
    taken = [(label, files[turn]) for turn in turns for label, files in groups if turn < len(files)]
    return [
        Sample(path.read_bytes(), _TYPES[path.suffix.lower()], label)
        for label, path in taken[:_MOST]
    ]


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _TYPES and path.is_file() and path.stat().st_size <= _MOST_BYTES
    )


def _png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
