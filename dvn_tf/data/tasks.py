"""What a task is: a dataset, a label, some of its classes, an image size.

Nothing here reads images. `describe` finds out as much about a task as a network
needs to know, so that networks can be built and counted where the data is absent.
"""

import dataclasses
import numbers
import os
import re
from collections.abc import Sequence

from dvn_tf.data import digits, folders
from dvn_tf.errors import UserError
from dvn_tf.tasks import TaskInfo

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r":[\d.*]+$")
_CLASS_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")

_FOLDER_PREFIX = "folder:"


@dataclasses.dataclass(frozen=True)
class Task:
    """One classification task of a scenario.

    Args:
        name: Letters, digits, `_` and `-`; unique in a scenario.
        dataset: `"digits"` (8x8 grey, embedded in scikit-learn), any image
            classification dataset of TFDS (`"cifar10"`, `"cifar100:3.0.2"`), ours
            (`"tiny_imagenet"`), or `"folder:PATH"`, a folder with one subfolder of
            images per class, or with `train/` and `test/` (or `val/`) of that form.
        label_key: The label to learn, as TFDS names it.
        image_key: The image, as TFDS names it.
        classes: The classes to learn, as `"0-4"`, `"0-4,7"` or `(0, 3)`; they become
            labels 0, 1, ... in the order given. None takes all.
        image_size: Height and width in pixels to resize to. None keeps the dataset's
            own size, which must then be one and square.
        train_split: TFDS split to train on, such as `"train[:10%]"`. None is `"train"`.
        test_split: TFDS split to test on. None is `"test"`, else `"validation"`.
        train_examples: At most so many training images per class, the first ones in
            the dataset's order. None takes all.
        test_fraction: Share of each class that is held out for testing where a dataset
            has no test split of its own (digits, folders without `test/`).
        flip: Whether training mirrors half of the images.
        crop_padding: Pixels of reflected border that the random crop of training may
            reach into. None is an eighth of the image size; 0 turns cropping off.

    Raises:
        UserError: If a value is malformed.
    """

    name: str
    dataset: str
    label_key: str = "label"
    image_key: str = "image"
    classes: str | Sequence[int] | None = None
    image_size: int | None = None
    train_split: str | None = None
    test_split: str | None = None
    train_examples: int | None = None
    test_fraction: float = 0.2
    flip: bool = True
    crop_padding: int | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UserError(
                f"Task name {self.name!r} cannot be used: "
                "take letters, digits, '_' and '-' only, such as 'cifar10' or 'first-half'."
            )
        if not isinstance(self.dataset, str) or not self.dataset:
            raise UserError(
                f"Task {self.name!r}: dataset {self.dataset!r} is not a name. Give 'digits', "
                "the name of a TFDS dataset such as 'cifar10', or 'folder:PATH'."
            )
        for field, least in (("image_size", 1), ("train_examples", 1), ("crop_padding", 0)):
            value = getattr(self, field)
            if value is not None and (not isinstance(value, int) or value < least):
                raise UserError(
                    f"Task {self.name!r}: {field} must be a whole number of at least {least}, "
                    f"not {value!r}."
                )
        if not 0 < self.test_fraction < 1:
            raise UserError(
                f"Task {self.name!r}: test_fraction must lie between 0 and 1, "
                f"not {self.test_fraction!r}."
            )
        self.class_indices()

    def class_indices(self) -> tuple[int, ...] | None:
        """Returns the dataset's classes that this task learns, in label order.

        Returns:
            Class i of the task is class `class_indices()[i]` of the dataset; None if the
            task takes the dataset's classes as they are.

        Raises:
            UserError: If `classes` cannot be read, is empty or names a class twice.
        """
        if self.classes is None:
            return None
        indices = tuple(self._listed_classes())
        repeated = sorted({i for i in indices if indices.count(i) > 1})
        if repeated:
            raise UserError(
                f"Task {self.name!r}: classes {self.classes!r} name class {repeated[0]} twice."
            )
        if not indices:
            raise UserError(
                f"Task {self.name!r}: classes is empty. List some, such as '0-4', "
                "or leave it out for all."
            )
        return indices

    def _listed_classes(self):
        malformed = UserError(
            f"Task {self.name!r}: classes {self.classes!r} cannot be read. "
            "Write '0-4', '0-4,7' or a list of whole numbers from 0."
        )
        if not isinstance(self.classes, str):
            for index in self.classes:
                if isinstance(index, bool) or not isinstance(index, numbers.Integral) or index < 0:
                    raise malformed
                yield index
            return
        for part in self.classes.split(","):
            match = _CLASS_RANGE.fullmatch(part)
            if not match:
                raise malformed
            first = int(match[1])
            last = first if match[2] is None else int(match[2])
            if last < first:
                raise malformed
            yield from range(first, last + 1)


def open_source(task: Task, data_dir: str | os.PathLike | None = None):
    """Finds where the images of a task come from, without reading any.

    Args:
        task: The task.
        data_dir: TFDS's data folder. None is TFDS's own default.

    Returns:
        A source: it has `class_names` of the whole dataset, the `image_shape` of the
        images that it will deliver, and `read(split, select)`.

    Raises:
        UserError: If there is no such dataset, folder, label or image.
    """
    if task.dataset == "digits" or task.dataset.startswith(_FOLDER_PREFIX):
        _refuse_tfds_settings(task)
    if task.dataset == "digits":
        return digits.Digits(test_fraction=task.test_fraction, image_size=task.image_size)
    if task.dataset.startswith(_FOLDER_PREFIX):
        return folders.Folder(
            task.dataset.removeprefix(_FOLDER_PREFIX),
            test_fraction=task.test_fraction,
            image_size=task.image_size,
        )
    # Imported here, so that the other sources work where TensorFlow is not installed.
    from dvn_tf.data import catalog

    return catalog.Catalogued(
        task.dataset,
        data_dir=data_dir,
        label_key=task.label_key,
        image_key=task.image_key,
        image_size=task.image_size,
        train_split=task.train_split,
        test_split=task.test_split,
    )


def _refuse_tfds_settings(task: Task) -> None:
    """A setting that would have no effect is a mistake."""
    defaults = {field.name: field.default for field in dataclasses.fields(Task)}
    for setting in ("label_key", "image_key", "train_split", "test_split"):
        if getattr(task, setting) != defaults[setting]:
            raise UserError(
                f"Task {task.name!r}: {setting} {getattr(task, setting)!r} is for datasets of "
                f"TFDS, {task.dataset!r} is none: leave it out."
            )


def describe(task: Task, data_dir: str | os.PathLike | None = None) -> TaskInfo:
    """Finds out what a network needs to know of a task, without reading any image.

    The data of a TFDS dataset need not be present; its class names are then numbers.

    Args:
        task: The task.
        data_dir: TFDS's data folder. None is TFDS's own default.

    Returns:
        The task's number of classes, image shape and class names; mean and standard
        deviation keep their defaults, which `dvn_tf.data.load` replaces.

    Raises:
        UserError: If the dataset, its label, image, a class or the image size cannot be had.
    """
    return describe_source(task, open_source(task, data_dir))


def describe_source(task: Task, source) -> TaskInfo:
    """Like `describe`, for a source that is open already."""
    names = source.class_names
    indices = task.class_indices()
    if indices is None:
        indices = range(len(names))
    beyond = [index for index in indices if index >= len(names)]
    if beyond:
        raise UserError(
            f"Task {task.name!r}: class {beyond[0]} is out of range: "
            f"{task.dataset!r} has classes 0 to {len(names) - 1}."
        )
    height = source.image_shape[0]
    if task.crop_padding is not None and task.crop_padding >= height:
        raise UserError(
            f"Task {task.name!r}: crop_padding {task.crop_padding} is too large for images "
            f"of {height} x {height} pixels: at most {height - 1} can be reflected."
        )
    return TaskInfo(
        name=task.name,
        num_classes=len(indices),
        image_shape=source.image_shape,
        class_names=tuple(names[index] for index in indices),
    )


def check_tasks(tasks: Sequence[Task]) -> None:
    """Checks that tasks can stand in one scenario.

    Args:
        tasks: The scenario's tasks.

    Raises:
        UserError: If there is no task, if two share a name, or if two that take subsets of
            the classes of one dataset and label share a class.
    """
    if not tasks:
        raise UserError("The scenario has no tasks: list at least one.")
    names = set()
    owners = {}
    for task in tasks:
        if task.name in names:
            raise UserError(f"Two tasks are named {task.name!r}: give each its own name.")
        names.add(task.name)
        for index in task.class_indices() or ():
            key = (_without_version(task.dataset), task.label_key, index)
            if key in owners:
                raise UserError(
                    f"Class {index} of {task.dataset!r} ({task.label_key}) is in two tasks, "
                    f"{owners[key]!r} and {task.name!r}: give each class to one task."
                )
            owners[key] = task.name


def _without_version(dataset: str) -> str:
    """`"cifar100"` of `"cifar100:3.0.2"`: the classes are the same."""
    return dataset if dataset.startswith(_FOLDER_PREFIX) else _VERSION.sub("", dataset)
