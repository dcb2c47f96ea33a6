"""Images in folders, one subfolder per class."""

import functools
import io
import os
import stat
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageOps

from dvn_tf.data import images as image_tools
from dvn_tf.data.encoded import in_threads
from dvn_tf.data.folder_listing import Listing, list_folder
from dvn_tf.errors import UserError

_NAMED = 3  # files that an error names

# A file may be of another format than its name says. Not among them are those that Pillow hands to
# another program, such as EPS to Ghostscript. JPEG includes the MPO of cameras.
_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class Folder:
    """A folder of PNG, JPEG and BMP images, read as RGB; other files are ignored.

    The images lie in `path/train/CLASS/` and `path/test/CLASS/` (or `val`, `validation`), or in
    `path/CLASS/` or `path/train/CLASS/` alone, and then a share of each class is held out for
    testing. Classes are numbered in the alphabetical order of their folders, and `skipped` counts
    the files that are not read, by kind; `held_out` says which of the two cases it is.

    Args:
        path: The folder.
        test_fraction: Share of each class to hold out where there is no test folder. Which
            images these are depends on their names alone.
        image_size: Height and width in pixels to resize to, whatever the aspect ratio. None
            keeps the images as they are; they must then be square and all of one size.
        crop_from: Height and width in pixels to resize the central square of an image to, instead
            of the image: training images have that size, test images are the middle of it.

    Raises:
        UserError: If the folder has another layout.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        test_fraction: float = 0.2,
        image_size: int | None = None,
        crop_from: int | None = None,
    ):
        layout = list_folder(path, test_fraction)
        self.class_names = layout.class_names
        self.held_out = layout.held_out
        self.skipped = layout.skipped
        self._name = str(layout.root)
        self._splits = layout.splits
        size = image_size or _own_size(layout.splits["train"].path(0))
        self._keep_size = image_size is None
        self._crop_from = crop_from
        self.image_shape = (size, size, 3)

    def encoded(self, split: str, select) -> "FolderImages":
        """Finds the images of one split; none is read yet.

        Args:
            split: `"train"` or `"test"`.
            select: Function from a split's labels to the positions to keep.
        """
        listing = self._splits[split]
        positions = np.asarray(select(listing.labels))
        size = self._crop_from if self._crop_from and split == "train" else self.image_shape[0]
        return FolderImages(self._name, listing, positions, size, self._crop_from, self._keep_size)


class FolderImages:
    """Images of a folder; see `dvn_tf.data.encoded.EncodedImages`.

    Args:
        name: The folder.
        listing: The images of a split.
        positions: Which of them to read.
        size: Height and width of the decoded images in pixels.
        crop_from: See `Folder`.
        keep_size: Whether the files must have that size already.
    """

    random_access = True

    def __init__(self, name, listing: Listing, positions, size: int, crop_from, keep_size):
        self.name = name
        self.labels = listing.labels[positions]
        self.shape = (len(positions), size, size, 3)
        self._listing = listing
        self._positions = positions
        self._crop_from = crop_from
        self._keep_size = keep_size

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Bytes of each file; 0 where there is none, which decoding it will tell."""
        return np.fromiter(map(self._size, range(len(self.labels))), np.int64, len(self.labels))

    def _size(self, position: int) -> int:
        try:
            found = os.stat(self._path(position))
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _path(self, position: int) -> str:
        return self._listing.path(self._positions[position])

    def chunks(
        self, contents: bool, locate: bool
    ) -> Iterator[tuple[Sequence[bytes] | None, np.ndarray]]:
        """Reads and decodes all images once, see `EncodedImages`.

        Raises:
            UserError: If a file is not an image, or not of the same size as the rest.
        """
        step = image_tools.chunk_length(self.shape)
        unreadable = []
        for start in range(0, len(self.labels), step):
            # Not all at once: what waits to be used would fill the memory.
            count = min(step, len(self.labels) - start)
            found, room = [b""] * count, np.empty((count, *self.shape[1:]), np.uint8)

            def read(part, start=start, found=found, room=room):
                for place in part:
                    path = self._path(start + place)
                    try:
                        if contents:
                            found[place] = _content(path)
                        room[place] = self._pixels(path, found[place] if contents else None)
                    except _UnreadableError:
                        unreadable.append(start + place)

            in_threads(read, count)
            yield found if contents else None, room
        if unreadable:
            raise _unreadable([self._path(position) for position in sorted(unreadable)])

    def decode(self, position: int, content: bytes | None = None) -> np.ndarray:
        """Decodes an image, see `EncodedImages`."""
        path = self._path(position)
        try:
            return self._pixels(path, content)
        except _UnreadableError:
            raise _unreadable([path]) from None

    def _pixels(self, path: str, content: bytes | None) -> np.ndarray:
        """Decodes an image, from its file if `content` is None."""
        height, width = self.shape[1:3]
        try:
            with _open(path) if content is None else _opened(io.BytesIO(content)) as image:
                if self._keep_size and image.size != (width, height):
                    raise UserError(
                        f"{path} is {image.height} x {image.width} pixels, but another "
                        f"image is {height} x {width}: set Task.image_size to resize them all."
                    )
                if image.mode.startswith(("I", "F")):
                    raise UserError(f"{path} has more than 8 bits a channel: convert it to 8.")
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except UserError:
            raise
        except Exception as err:  # each of Pillow's decoders raises its own on damaged files
            raise _UnreadableError from err
        if self._crop_from is not None:
            square = _resized(_central_square(upright), self._crop_from)
            return image_tools.middle(np.asarray(square), height)
        return np.asarray(_resized(upright, height))


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _resized(image: Image.Image, size: int) -> Image.Image:
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)


class _UnreadableError(Exception):
    """A file is not a whole image."""


def _open(path: str) -> Image.Image:
    if not _is_regular(path):
        raise OSError("no regular file")
    return _opened(path)


def _opened(file) -> Image.Image:
    return Image.open(file, formats=_FORMATS)


def _is_regular(path: str) -> bool:
    """Whether a path is that of a file; a named pipe would wait for its writer."""
    return stat.S_ISREG(os.stat(path).st_mode)


def _content(path: str) -> bytes:
    """What a file holds; nothing if it is none, which decoding it will tell."""
    try:
        if not _is_regular(path):
            return b""
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _own_size(path: str) -> int:
    """The height and width of an image in pixels, read from its file's header."""
    try:
        with _open(path) as image:
            width, height = image.size
    except Exception as err:
        raise _unreadable([path]) from err
    if width != height:
        raise UserError(
            f"{path} is {height} x {width} pixels, not square: "
            "set Task.image_size to resize the images."
        )
    return width


def _unreadable(paths: Sequence[str]) -> UserError:
    """The error that names files that are not images: the first few, and how many there are."""
    named = ", ".join(paths[:_NAMED])
    if len(paths) == 1:
        return UserError(f"{named} cannot be read as an image: restore or delete it.")
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return UserError(
        f"{len(paths)} files cannot be read as images: {named}{more}: restore or delete them."
    )
