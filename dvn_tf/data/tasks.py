"""What a task is: a dataset, a label, some of its classes, an image size.

Plain values: nothing here opens a dataset or reads an image.
"""

import dataclasses
import numbers
import re
from collections.abc import Sequence

from dvn_tf.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r":[\d.*]+$")
_CLASS_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")

_FOLDER_PREFIX = "folder:"


@dataclasses.dataclass(frozen=True)
class Task:
    """One classification task of a scenario.

    Args:
        name: Letters, digits, `_` and `-`; unique in a scenario.
        dataset: `"digits"` (8x8 grey, embedded in scikit-learn), an image classification
            dataset of TFDS (`"cifar10"`, `"cifar100:3.0.2"`), the project's
            `"tiny_imagenet"`, or `"folder:PATH"`: a folder with one subfolder of images
            per class, or with `train/` and `test/` (or `val/`) of that form. See
            `dvn_tf.data.register_source` for further kinds.
        label_key: The label to learn, as TFDS names it.
        image_key: The image, as TFDS names it.
        classes: The classes to learn, such as `"0-4"`, `"0-4,7"` or `(0, 3)`. They become
            labels 0, 1, ... in the order given. None takes all.
        image_size: Height and width in pixels to resize to. None keeps the images as they
            are; they must then be square and all of one size.
        train_split: TFDS split to train on, such as `"train[:10%]"`. None is `"train"`.
        test_split: TFDS split to test on. None is `"test"`, else `"validation"`.
        train_examples: How many training images to take of each class, at most; they are
            the first ones in the dataset's order. None takes all.
        test_fraction: Share of each class to hold out for testing where a dataset has no
            test split of its own (digits, folders without `test/`).
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
                "use only letters, digits, '_' and '-', such as 'cifar10' or 'first-half'."
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


def check_tasks(tasks: Sequence[Task]) -> None:
    """Checks that tasks can form one scenario.

    Args:
        tasks: The scenario's tasks.

    Raises:
        UserError: If there is no task, if two tasks share a name, or if two tasks that choose
            classes of the same dataset and label share a class.
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
    """`"cifar100"` for `"cifar100:3.0.2"`: all versions have the same classes."""
    return dataset if dataset.startswith(_FOLDER_PREFIX) else _VERSION.sub("", dataset)
