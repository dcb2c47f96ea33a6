"""Images in folders, one subfolder per class."""

import collections
import concurrent.futures
import hashlib
import os
import pathlib
import stat

import numpy as np
from PIL import Image, ImageOps

from dvn_tf.data import images as image_tools
from dvn_tf.data import progress
from dvn_tf.errors import UserError

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
_TEST_FOLDERS = ("test", "val", "validation")
_OUTSIDE = "outside of the class folders"
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

    Raises:
        UserError: If the folder has another layout.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        test_fraction: float = 0.2,
        image_size: int | None = None,
    ):
        root = pathlib.Path(path)
        try:
            root = root.expanduser()
            found = root.is_dir()
        except (OSError, RuntimeError):  # a path that is too long, or ~ of no known user
            found = False
        if not found:
            raise UserError(f"There is no folder {root}: check the path after 'folder:'.")
        test = next((root / name for name in _TEST_FOLDERS if (root / name).is_dir()), None)
        if test and (root / "train").is_dir():
            classes = _subfolders(root / "train")
            splits = {"train": _list_images(classes), "test": _list_test_images(test, classes)}
            self.held_out = False
        else:
            self.held_out = True
            classes = _subfolders(root)
            if [folder.name for folder in classes] == ["train"]:
                classes = _subfolders(root / "train")
            splits = _hold_out(_list_images(classes), test_fraction)
        self._root = root
        self._splits = splits
        read = {path for listed in splits.values() for path, _ in listed}
        self.skipped = _count_skipped(root, read)
        self.class_names = tuple(folder.name for folder in classes)
        size = image_size or _own_size(splits["train"][0][0])
        self._keep_size = image_size is None
        self.image_shape = (size, size, 3)

    def read(self, split: str, select) -> tuple[np.ndarray, np.ndarray]:
        """Reads the images of one split.

        Args:
            split: `"train"` or `"test"`.
            select: Function from a split's labels to the positions to keep.

        Returns:
            Images, uint8 of shape (n, height, width, 3), and labels, int32 of shape (n,).

        Raises:
            UserError: If a file is not an image, or not of the same size as the rest.
        """
        labels = np.array([label for _, label in self._splits[split]], np.int32)
        positions = select(labels)
        paths = [self._splits[split][position][0] for position in positions]
        images = image_tools.allocate((len(paths), *self.image_shape))
        unreadable = []
        # Pillow releases the interpreter's lock while it decodes, so threads help.
        with (
            progress.counter(len(paths), f"Reading {self._root}") as counter,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            for i, image in enumerate(pool.map(self._read, paths)):
                if image is None:
                    unreadable.append(paths[i])
                else:
                    images[i] = image
                counter.update()
        if unreadable:
            raise _unreadable(unreadable)
        return images, labels[positions]

    def _read(self, path: pathlib.Path) -> np.ndarray | None:
        """Reads an image; None if the file is not a whole image."""
        size = self.image_shape[:2]
        try:
            with _open(path) as image:
                if self._keep_size and image.size != size:
                    raise UserError(
                        f"{path} is {image.height} x {image.width} pixels, but another "
                        f"image is {size[0]} x {size[1]}: set Task.image_size to resize them all."
                    )
                if image.mode.startswith(("I", "F")):
                    raise UserError(f"{path} has more than 8 bits a channel: convert it to 8.")
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except UserError:
            raise
        except Exception:  # each of Pillow's decoders raises its own on damaged files
            return None
        if upright.size != size:
            upright = upright.resize(size, Image.Resampling.BILINEAR)
        return np.asarray(upright)


def _open(path: pathlib.Path) -> Image.Image:
    if not stat.S_ISREG(path.stat().st_mode):  # a named pipe would wait for its writer
        raise OSError("no regular file")
    return Image.open(path, formats=_FORMATS)


def _own_size(path: pathlib.Path) -> int:
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


def _unreadable(paths: list[pathlib.Path]) -> UserError:
    """The error that names files that are not images: the first few, and how many there are."""
    named = ", ".join(str(path) for path in paths[:_NAMED])
    if len(paths) == 1:
        return UserError(f"{named} cannot be read as an image: restore or delete it.")
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return UserError(
        f"{len(paths)} files cannot be read as images: {named}{more}: restore or delete them."
    )


def _count_skipped(root: pathlib.Path, read: set[pathlib.Path]) -> dict[str, int]:
    """Counts the files of a folder that are not read: {kind: how many}, sorted by number."""
    kinds = collections.Counter()
    for folder, subfolders, names in os.walk(root):
        hidden = [name for name in subfolders if name.startswith(".")]
        kinds["hidden"] += len(hidden)
        subfolders[:] = [name for name in subfolders if name not in hidden]
        paths = (pathlib.Path(folder, name) for name in names)
        kinds.update(_kind(path) for path in paths if path not in read)
    return {kind: count for kind, count in kinds.most_common() if count}


def _kind(path: pathlib.Path) -> str:
    """Why a file is not read."""
    if path.name.startswith("."):
        return "hidden"
    suffix = path.suffix.lower()
    return _OUTSIDE if suffix in _SUFFIXES else suffix or "without a suffix"


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    folders = sorted(p for p in _entries(folder) if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise UserError(f"Folder {folder} has no subfolders: put the images of each class in one.")
    for path in folders:
        if not path.name.isprintable():  # a class's name is printed and stored
            raise UserError(f"The class folder {str(path)!a} has no name for people: rename it.")
    return folders


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
    try:
        return list(folder.iterdir())
    except OSError as err:
        raise UserError(f"Cannot read the folder {folder}: {err.strerror or err}.") from err


def _list_images(classes: list[pathlib.Path]) -> list[tuple[pathlib.Path, int]]:
    """The images of some classes and their labels, ordered by class and file name."""
    listed = []
    for label, folder in enumerate(classes):
        paths = sorted(
            p
            for p in _entries(folder)
            if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".")
        )
        if not paths:
            raise UserError(
                f"Folder {folder} holds no images (*{', *'.join(_SUFFIXES)}): "
                "add some to this class or remove its folder."
            )
        listed += [(path, label) for path in paths]
    return listed


def _list_test_images(test: pathlib.Path, classes: list[pathlib.Path]):
    """Like `_list_images`, with the labels of the training images' classes."""
    labels = {folder.name: label for label, folder in enumerate(classes)}
    folders = _subfolders(test)
    unknown = [folder for folder in folders if folder.name not in labels]
    if unknown:
        raise UserError(
            f"Folder {unknown[0]} is a class without training images: "
            f"add {classes[0].parent / unknown[0].name} or remove it."
        )
    return [(path, labels[path.parent.name]) for path, _ in _list_images(folders)]


def _name_hash(path: pathlib.Path) -> bytes:
    return hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).digest()


def _hold_out(listed, fraction: float):
    """Splits off a share of each class, at least one image, by the hash of the file names."""
    by_class = {}
    for path, label in listed:
        by_class.setdefault(label, []).append(path)
    held_out = set()
    for paths in by_class.values():
        count = max(1, round(fraction * len(paths)))
        if count == len(paths):
            raise UserError(
                f"Folder {paths[0].parent} holds too few images, {len(paths)}, to train and "
                "test on: add some, or lower Task.test_fraction."
            )
        # A hash, so that an image mostly keeps its side when others are added.
        paths = sorted(paths, key=_name_hash)
        held_out.update(paths[:count])
    return {
        "train": [(path, label) for path, label in listed if path not in held_out],
        "test": [(path, label) for path, label in listed if path in held_out],
    }
