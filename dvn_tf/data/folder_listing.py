"""Which images a folder holds, by split and class, and which files are left out."""

import collections
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from dvn_tf.data.encoded import Packed
from dvn_tf.errors import UserError

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
_TEST_FOLDERS = ("test", "val", "validation")
_OUTSIDE = "outside of the class folders"


class Listing:
    """The images of a split, ordered by class and file name.

    Paths are put together when they are asked for: as objects they take much more memory than
    the names of the files.

    Args:
        folders: {label: the folder of the class}.
        names: The names of the files of each of these folders, in order.
    """

    def __init__(self, folders: Mapping[int, pathlib.Path], names: Mapping[int, Sequence[str]]):
        self._folders = {label: str(folder) for label, folder in folders.items()}
        self._names = Packed.of([os.fsencode(name) for listed in names.values() for name in listed])
        counts = [len(listed) for listed in names.values()]
        self.labels = np.repeat(np.array(list(names), np.int32), counts)

    def __len__(self):
        return len(self.labels)

    def path(self, position: int) -> str:
        """The path of an image."""
        folder = self._folders[int(self.labels[position])]
        return os.path.join(folder, os.fsdecode(self._names[position]))


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a folder holds.

    Args:
        root: The folder, `~` replaced.
        class_names: The names of the classes' folders, in alphabetical order.
        splits: The images of `"train"` and `"test"`.
        held_out: Whether the test images were held out of the training images.
        skipped: {kind: how many files are not read}.
    """

    root: pathlib.Path
    class_names: tuple[str, ...]
    splits: Mapping[str, Listing]
    held_out: bool
    skipped: Mapping[str, int]


def list_folder(path: str | os.PathLike, test_fraction: float) -> Layout:
    """Finds the images of a folder, see `dvn_tf.data.folders.Folder`.

    Args:
        path: The folder.
        test_fraction: Share of each class to hold out where there is no test folder.

    Returns:
        Its classes, images and other files.

    Raises:
        UserError: If there is no such folder, or it has another layout.
    """
    root = pathlib.Path(path)
    try:
        root = root.expanduser()
        found = root.is_dir()
    except (OSError, RuntimeError):  # a path that is too long, or ~ of no known user
        found = False
    if not found:
        raise UserError(f"There is no folder {root}: check the path after 'folder:'.")
    test = next((root / name for name in _TEST_FOLDERS if (root / name).is_dir()), None)
    held_out = not (test and (root / "train").is_dir())
    if held_out:
        classes = _subfolders(root)
        if [folder.name for folder in classes] == ["train"]:
            classes = _subfolders(root / "train")
        folders = {"train": dict(enumerate(classes)), "test": dict(enumerate(classes))}
        names = _hold_out(folders["train"], _list_images(folders["train"]), test_fraction)
    else:
        classes = _subfolders(root / "train")
        folders = {"train": dict(enumerate(classes)), "test": _test_folders(test, classes)}
        names = {split: _list_images(folders[split]) for split in folders}
    read = {str(folder) for classes_of in folders.values() for folder in classes_of.values()}
    return Layout(
        root=root,
        class_names=tuple(folder.name for folder in classes),
        splits={split: Listing(folders[split], names[split]) for split in folders},
        held_out=held_out,
        skipped=_count_skipped(root, read),
    )


def _count_skipped(root: pathlib.Path, read: Collection[str]) -> dict[str, int]:
    """Counts the files of a folder that are not read: {kind: how many}, sorted by number."""
    kinds = collections.Counter()
    for folder, subfolders, names in os.walk(root):
        hidden = [name for name in subfolders if name.startswith(".")]
        kinds["hidden"] += len(hidden)
        subfolders[:] = [name for name in subfolders if name not in hidden]
        kinds.update(_kind(name) for name in names if folder not in read or not _is_image(name))
    return {kind: count for kind, count in kinds.most_common() if count}


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES


def _kind(name: str) -> str:
    """Why a file is not read."""
    if name.startswith("."):
        return "hidden"
    suffix = pathlib.PurePath(name).suffix.lower()
    return _OUTSIDE if suffix in _SUFFIXES else suffix or "without a suffix"


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    folders = sorted(folder / name for name in _entries(folder) if not name.startswith("."))
    folders = [path for path in folders if path.is_dir()]
    if not folders:
        raise UserError(f"Folder {folder} has no subfolders: put the images of each class in one.")
    for path in folders:
        if not path.name.isprintable():  # a class's name is printed and stored
            raise UserError(f"The class folder {str(path)!a} has no name for people: rename it.")
    return folders


def _entries(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as err:
        raise UserError(f"Cannot read the folder {folder}: {err.strerror or err}.") from err


def _list_images(folders: Mapping[int, pathlib.Path]) -> dict[int, list[str]]:
    """The names of the images of some classes: {label: names in order}."""
    listed = {}
    for label, folder in folders.items():
        listed[label] = sorted(name for name in _entries(folder) if _is_image(name))
        if not listed[label]:
            raise UserError(
                f"Folder {folder} holds no images (*{', *'.join(_SUFFIXES)}): "
                "add some to this class or remove its folder."
            )
    return listed


def _test_folders(test: pathlib.Path, classes: list[pathlib.Path]) -> dict[int, pathlib.Path]:
    """The folders of test images, with the labels of the training images' classes."""
    labels = {folder.name: label for label, folder in enumerate(classes)}
    folders = _subfolders(test)
    unknown = [folder for folder in folders if folder.name not in labels]
    if unknown:
        raise UserError(
            f"Folder {unknown[0]} is a class without training images: "
            f"add {classes[0].parent / unknown[0].name} or remove it."
        )
    return {labels[folder.name]: folder for folder in folders}


def _name_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _hold_out(folders, listed: Mapping[int, list[str]], fraction: float):
    """Splits off a share of each class, at least one image, by the hash of the file names."""
    splits = {"train": {}, "test": {}}
    for label, names in listed.items():
        count = max(1, round(fraction * len(names)))
        if count == len(names):
            raise UserError(
                f"Folder {folders[label]} holds too few images, {len(names)}, to train and "
                "test on: add some, or lower Task.test_fraction."
            )
        # A hash, so that an image mostly keeps its side when others are added.
        held_out = set(sorted(names, key=_name_hash)[:count])
        splits["train"][label] = [name for name in names if name not in held_out]
        splits["test"][label] = [name for name in names if name in held_out]
    return splits
