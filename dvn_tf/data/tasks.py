"""What a task is: a dataset, a label, some of its classes, an image size.

Plain values: nothing here opens a dataset or reads an image.
"""

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import Annotated

from dvn_runtime.budget import BYTES, parse_budget
from dvn_tf.errors import UserError, shown
from dvn_tf.settings import Between, FileName, Length, OneOf, check_settings, checked

_VERSION = re.compile(r":[\d.*]+$")
_NUMBER = r"(?:[0-9]{1,9}|\*)"
_TFDS_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9_]{0,99}"
    r"(?:/[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,99})?"
    rf"(?::{_NUMBER}\.{_NUMBER}\.{_NUMBER})?"
)
_CLASS_LIMIT = 1_000_000  # indices of a dataset's classes
_TASK_CLASSES = 100_000  # classes of one task
_CLASS_RANGE = re.compile(r"\s*([0-9]{1,12})\s*(?:-\s*([0-9]{1,12})\s*)?")

STRETCH, CROP = RESIZE = ("stretch", "crop")
FIRST, RANDOM = DRAWS = ("first", "random")
DECODED, ENCODED, FILES = CACHES = ("decoded", "encoded", "files")

_FOLDER_PREFIX = "folder:"
_Key = Annotated[str, Length(1, 200)]
_Class = Annotated[int, Between(0, _CLASS_LIMIT)]
_Pixels = Between(1, 4_096)


@dataclasses.dataclass(frozen=True)
class Task:
    """One classification task of a scenario.

    Args:
        name: Letters, digits, `_` and `-`, at most 100; unique in a scenario.
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
        train_examples: How many training images to take of each class, at most. None takes all.
        draw: Which ones `train_examples` takes. `"first"` takes the first in the dataset's
            order; `"random"` draws them anew with every `Recipe.seed`, so that seeds differ in
            their images, too.
        test_fraction: Share of each class to hold out for testing where a dataset has no
            test split of its own (digits, folders without `test/`).
        flip: Whether training mirrors half of the images.
        crop_padding: Pixels of reflected border that the random crop of training may
            reach into. None is an eighth of the image size; 0 turns cropping off.
        resize: How images are brought to `image_size`. `"stretch"` resizes the whole image,
            whatever its aspect ratio. `"crop"` keeps the aspect ratio: the central square is
            resized to 8/7 of `image_size`, such as 256 for 224 pixels; training crops at random
            places of it, without a reflected border, and testing crops its middle.
        cache: How images are held in memory: `"decoded"`, `"encoded"` as in their files, or
            `"files"`, not at all. None takes the first of them that fits into `memory`. Order,
            pixels and trained weights are the same whichever it is.
        memory: The most that the task's images may take of memory, in bytes or as text such as
            `"2GB"`. None is half of what is free when they are loaded.

    Raises:
        UserError: If a value is malformed.
    """

    name: Annotated[str, FileName()]
    dataset: Annotated[str, Length(1, 4_096)]
    label_key: _Key = "label"
    image_key: _Key = "image"
    classes: str | Annotated[Sequence[_Class], Length(0, _TASK_CLASSES)] | None = None
    image_size: Annotated[int, _Pixels] | None = None
    train_split: _Key | None = None
    test_split: _Key | None = None
    train_examples: Annotated[int, Between(1, 10**9)] | None = None
    draw: Annotated[str, OneOf(*DRAWS)] = FIRST
    test_fraction: Annotated[float, Between(0, 1, without_low=True, without_high=True)] = 0.2
    flip: bool = True
    crop_padding: Annotated[int, Between(0, 4_096)] | None = None
    resize: Annotated[str, OneOf(*RESIZE)] = STRETCH
    # A run may go on with another of these: they make no difference to its tasks.
    cache: Annotated[str, OneOf(*CACHES)] | None = dataclasses.field(default=None, compare=False)
    memory: Annotated[int, Between(1, 10**17)] | _Key | None = dataclasses.field(
        default=None, compare=False
    )

    def __post_init__(self):
        checked(Annotated[str, FileName()], self.name, "Task.name")
        check_settings(self, label=f"Task {self.name!r}: ")
        self.class_indices()
        self.memory_bytes()
        if self.draw == RANDOM and self.train_examples is None:
            raise UserError(
                f"Task {self.name!r}: draw 'random' needs train_examples, of which it says which "
                "to take: set it, too."
            )
        if self.resize == CROP and self.image_size is None:
            raise UserError(f"Task {self.name!r}: resize 'crop' needs image_size: set it, too.")
        if self.resize == CROP and self.crop_padding is not None:
            raise UserError(
                f"Task {self.name!r}: crop_padding has no effect with resize 'crop', which crops "
                "within the image: leave out one of them."
            )

    def crop_from(self) -> int | None:
        """Returns the height and width in pixels of what crops are taken from.

        It is 8/7 of `image_size`, with as many pixels on either side; None with `"stretch"`.
        """
        if self.resize != CROP:
            return None
        return self.image_size + 2 * round(self.image_size / 14)

    def memory_bytes(self) -> int | None:
        """Returns the bytes that `memory` says; None if it says nothing.

        Raises:
            UserError: If it cannot be read.
        """
        try:
            parsed = parse_budget(self.memory)
            if parsed.measure == BYTES:
                return parsed.limit
        except UserError:
            pass
        raise UserError(
            f"Task {self.name!r}: memory {shown(self.memory)} cannot be read. Write bytes, such "
            "as '2GB' or '500MB'."
        )

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
        repeated = sorted(i for i, count in collections.Counter(indices).items() if count > 1)
        if repeated:
            raise UserError(
                f"Task {self.name!r}: classes {shown(self.classes)} name class {repeated[0]} twice."
            )
        if not indices:
            raise UserError(
                f"Task {self.name!r}: classes is empty. List some, such as '0-4', "
                "or leave it out for all."
            )
        return indices

    def _listed_classes(self):
        if not isinstance(self.classes, str):
            yield from self.classes
            return
        count = 0
        for part in self.classes.split(","):
            match = _CLASS_RANGE.fullmatch(part)
            first = int(match[1]) if match else 0
            last = int(match[2] or first) if match else -1
            if last < first:
                raise UserError(
                    f"Task {self.name!r}: classes {shown(self.classes)} cannot be read. "
                    "Write '0-4', '0-4,7' or a list of whole numbers from 0."
                )
            count += last - first + 1
            if last > _CLASS_LIMIT or count > _TASK_CLASSES:
                raise UserError(
                    f"Task {self.name!r}: classes {shown(self.classes)} are too many: a task has "
                    f"at most {_TASK_CLASSES:,}, numbered up to {_CLASS_LIMIT:,}."
                )
            yield from range(first, last + 1)


def check_tfds_name(dataset: str) -> None:
    """Checks that a dataset is named as one of TFDS: a name, a configuration and a version.

    TFDS takes further forms. "kaggle:name" and other namespaces make it download code and run it;
    "name/key=value" sets arguments of a builder, such as the folder that it writes to.

    Args:
        dataset: The name.

    Raises:
        UserError: If it has another form.
    """
    if not _TFDS_NAME.fullmatch(dataset):
        raise UserError(
            f"There is no dataset {shown(dataset)}: give 'digits', 'folder:PATH', a name of TFDS "
            "such as 'cifar10', 'cifar100:3.0.2' or 'name/config', or the name of a source that "
            "you registered."
        )


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
