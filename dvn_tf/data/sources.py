"""Where the images of a task come from: one entry for each kind of dataset.

`Task.dataset` names a dataset. A source gives its classes and its images; `register_source` adds
a kind of its own. Every name without an entry is one of TFDS.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np

from dvn_tf.data.encoded import EncodedImages
from dvn_tf.data.tasks import Task, check_tfds_name
from dvn_tf.errors import UserError

TFDS_SETTINGS = ("label_key", "image_key", "train_split", "test_split")  # fields of `Task`


class Source(Protocol):
    """A dataset, opened: its classes and image shape are known, its images are not read yet.

    Attributes:
        class_names: Names of all classes of the dataset, in the order of its labels.
        image_shape: Height, width and channels of the images that `read` delivers.

    A source may also have `held_out`, whether its test images are held out of its training images,
    and a source of files `skipped`: {kind: how many files of it are not read}.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def read(
        self, split: str, select: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reads the images of one split.

        Args:
            split: `"train"` or `"test"`.
            select: Function from the labels of the whole split, integers of shape (n,), to the
                ascending positions of the images to keep.

        Returns:
            The images at these positions, uint8 of shape (m, height, width, channels), and
            their labels in the dataset's own numbering, int32 of shape (m,).

        Raises:
            UserError: If the images cannot be read.
        """


class EncodedSource(Protocol):
    """A dataset whose images can be held encoded; it has `encoded` in place of `read`.

    Its attributes are those of `Source`. It knows of `Task.resize`: with `"crop"`, its training
    images are squares of `Task.crop_from()` pixels, and its test images the middle of such.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def encoded(self, split: str, select: Callable[[np.ndarray], np.ndarray]) -> EncodedImages:
        """Finds the images of one split; `split` and `select` as for `Source.read`.

        Raises:
            UserError: If the images cannot be found.
        """


Opener = Callable[[Task, str | os.PathLike | None], Source | EncodedSource]


@dataclasses.dataclass(frozen=True)
class _Entry:
    open: Opener
    settings: frozenset[str]


_entries: dict[str, _Entry] = {}


def register_source(dataset: str, opener: Opener, settings: Collection[str] = ()) -> None:
    """Adds a kind of dataset that `Task.dataset` can name.

    Args:
        dataset: The name, such as `"digits"`. A name that ends with a colon, such as
            `"folder:"`, stands for every dataset that begins with it.
        opener: Function from a task and TFDS's data folder to a `Source`. It reads no images.
            It should import slow libraries itself, so that other sources do not wait for them.
        settings: Those of `TFDS_SETTINGS` that the source uses too. A task that sets
            any other of them is refused, because the setting would have no effect.

    Raises:
        UserError: If the name is taken or empty, or a setting is not in `TFDS_SETTINGS`.
    """
    if not dataset or dataset in _entries:
        raise UserError(f"The dataset name {dataset!r} is empty or taken: choose another.")
    unknown = sorted(set(settings) - set(TFDS_SETTINGS))
    if unknown:
        raise UserError(f"There is no setting {unknown[0]!r}: use some of {TFDS_SETTINGS}.")
    _entries[dataset] = _Entry(opener, frozenset(settings))


def open_source(task: Task, data_dir: str | os.PathLike | None = None) -> Source:
    """Opens the dataset of a task without reading any images.

    Args:
        task: The task.
        data_dir: TFDS's data folder, which must exist. None is TFDS's own default.

    Returns:
        The source of the task's images.

    Raises:
        UserError: If there is no such dataset, folder, label or image, or the task has a
            setting that its dataset does not use, or the data folder does not exist.
    """
    check_data_dir(data_dir)
    entry = _find_entry(task.dataset)
    _refuse_settings(task, [name for name in TFDS_SETTINGS if name not in entry.settings])
    return entry.open(task, data_dir)


def check_dataset(task: Task) -> None:
    """Checks the form of a task's dataset, without opening it.

    Args:
        task: The task.

    Raises:
        UserError: If no source that is registered has this name, and TFDS could not have it.
    """
    _find_entry(task.dataset)


def check_data_dir(data_dir: str | os.PathLike | None) -> None:
    """Checks that TFDS's data folder exists, since a misspelt one would be downloaded into.

    Args:
        data_dir: The folder. None is TFDS's own default, which need not exist.

    Raises:
        UserError: If there is no such folder.
    """
    if data_dir is None or "://" in str(data_dir):  # TFDS also reads from object stores
        return
    if not pathlib.Path(data_dir).expanduser().is_dir():
        what = "is a file" if pathlib.Path(data_dir).expanduser().exists() else "does not exist"
        raise UserError(
            f"The data folder {data_dir} {what}: check --data_dir, make the folder if datasets are "
            "to be downloaded into it, or leave --data_dir out to use TFDS's own."
        )


def _find_entry(dataset: str) -> _Entry:
    if dataset in _entries:
        return _entries[dataset]
    prefix = f"{dataset.partition(':')[0]}:"
    if dataset.startswith(prefix) and prefix in _entries:
        return _entries[prefix]
    check_tfds_name(dataset)
    return _Entry(_open_tfds, frozenset(TFDS_SETTINGS))


def _refuse_settings(task: Task, unused: Collection[str]) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(Task)}
    for setting in unused:
        if getattr(task, setting) != defaults[setting]:
            raise UserError(
                f"Task {task.name!r}: {setting} {getattr(task, setting)!r} has no effect on "
                f"dataset {task.dataset!r}: leave it out."
            )


# Each opener imports its own libraries: scikit-learn and TensorFlow take seconds.


def _open_digits(task, _):
    from dvn_tf.data import digits

    return digits.Digits(test_fraction=task.test_fraction, image_size=task.image_size)


def _open_folder(task, _):
    from dvn_tf.data import folders

    return folders.Folder(
        task.dataset.removeprefix("folder:"),
        test_fraction=task.test_fraction,
        image_size=task.image_size,
        crop_from=task.crop_from(),
    )


def _open_tfds(task, data_dir):
    from dvn_tf.data import catalog

    return catalog.Catalogued(
        task.dataset,
        data_dir=data_dir,
        label_key=task.label_key,
        image_key=task.image_key,
        image_size=task.image_size,
        train_split=task.train_split,
        test_split=task.test_split,
        crop_from=task.crop_from(),
    )


register_source("digits", _open_digits)
register_source("folder:", _open_folder)
