"""What is known about a task, and its images."""

import dataclasses
import os
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from dvn_tf.data import caches, progress
from dvn_tf.data import images as image_tools
from dvn_tf.data.encoded import EncodedImages, LazyImages
from dvn_tf.data.sources import EncodedSource, Source, open_source
from dvn_tf.data.tasks import CROP, DECODED, RANDOM, Task
from dvn_tf.errors import UserError
from dvn_tf.tasks import TaskInfo

_SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images and their labels.

    Args:
        images: uint8 of shape (n, height, width, channels): decoded, in an array, or such as are
            decoded when they are asked for, with `images[positions]` as of an array.
        labels: int32 of shape (n,), from 0.
        size: Height and width in pixels of the crops that networks take of them. None takes the
            images whole.
    """

    images: np.ndarray | LazyImages
    labels: np.ndarray
    size: int | None = None

    def __len__(self):
        return len(self.labels)

    def read(self, positions) -> np.ndarray:
        """Images as a network takes them, where nothing is drawn at random.

        Args:
            positions: Which ones, as an array is indexed by.

        Returns:
            uint8 of shape (len(positions), height, width, channels).
        """
        found = self.images[positions]
        return found if self.size is None else image_tools.middle(found, self.size)


@dataclasses.dataclass(frozen=True)
class TaskData:
    """A task with its images.

    Decoded, CIFAR-10 takes 184 MB, the whole of Tiny-ImageNet 1.35 GB (all classes, both splits).

    Args:
        task: The task.
        info: Its classes and image shape, and the mean and standard deviation of each channel
            of the training images.
        train: Training images.
        test: Test images.
        skipped: How many files of each kind were left out, where the dataset is files.
        held_out: Whether the test images were held out of the training images, because the
            dataset has no test split.
    """

    task: Task
    info: TaskInfo
    train: ImageSet
    test: ImageSet
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    held_out: bool = False


def task_info(task: Task, data_dir: str | os.PathLike | None = None) -> TaskInfo:
    """Finds out what a network needs to know about a task, without reading any image.

    So networks can be built and counted where the data is absent. A TFDS dataset need not be
    present; its class names are then numbers.

    Args:
        task: The task.
        data_dir: TFDS's data folder. None is TFDS's own default.

    Returns:
        The task's number of classes, image shape and class names. Mean and standard deviation
        keep their defaults; only `load` knows them.

    Raises:
        UserError: If there is no such dataset, label, image or class, or the image size does
            not fit.
    """
    return _source_info(task, open_source(task, data_dir))


def load(
    task: Task,
    data_dir: str | os.PathLike | None = None,
    show_progress: bool = False,
    seed: int = 0,
) -> TaskData:
    """Loads the images of a task. A TFDS dataset that is absent is downloaded first.

    Args:
        task: The task.
        data_dir: TFDS's data folder, which must exist. None is TFDS's own default.
        show_progress: Whether to show on stderr how far it has come, and to print which files
            were skipped, if any.
        seed: With `draw` "random", determines which training images are taken.

    Returns:
        The task's images, labelled 0 to `info.num_classes - 1`.

    Raises:
        UserError: If the data cannot be downloaded or is damaged, or if the task asks for
            something that the dataset does not have.
    """
    source = open_source(task, data_dir)
    _source_info(task, source)  # refuses a bad task before its data is fetched
    indices = task.class_indices() or range(len(source.class_names))
    with progress.shown(show_progress):
        read = _read_encoded if hasattr(source, "encoded") else _read_arrays
        (train, test), (mean, std) = read(source, indices, task, seed)
        # Asked again: some datasets learn the names of their classes from the data.
        info = dataclasses.replace(_source_info(task, source), mean=mean, std=std)
        loaded = TaskData(task, info, train, test, getattr(source, "skipped", {}))
        loaded = dataclasses.replace(loaded, held_out=getattr(source, "held_out", False))
        if loaded.skipped:
            progress.note(_summary(loaded))
    return loaded


def _summary(loaded: TaskData) -> str:
    """What was read and skipped, in one line."""
    skipped = ", ".join(f"{count:,} {kind}" for kind, count in loaded.skipped.items())
    return (
        f"Read {loaded.task.dataset} for task {loaded.task.name}: {len(loaded.train):,} training "
        f"and {len(loaded.test):,} test images of {loaded.info.num_classes} classes; skipped "
        f"files: {skipped}"
    )


def _source_info(task: Task, source: Source) -> TaskInfo:
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
    if task.resize == CROP and not hasattr(source, "encoded"):
        raise UserError(
            f"Task {task.name!r}: resize 'crop' has no effect on dataset {task.dataset!r}: leave "
            "it out."
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
        crop_from=task.crop_from(),
    )


def _read_encoded(source: EncodedSource, indices, task, seed: int):
    """Reads the images of a source that can give them encoded, and holds them as `task` says."""
    labels = _new_labels(source, indices)
    train, test = splits = [
        source.encoded(split, _selection(task, split, labels, seed)) for split in _SPLITS
    ]
    for split, images in zip(_SPLITS, splits, strict=True):
        _check_images(task, split, images.labels)
    cache = caches.choose_cache(task, splits)
    if cache != DECODED:  # what a run says of its images anyway
        progress.note(_held(task, splits, caches.describe_cache(cache, splits)))
    counts = image_tools.ChannelCounts(train.shape[-1])
    size = None if task.crop_from() is None else source.image_shape[0]
    held = (
        ImageSet(caches.hold(train, cache, counts), labels[train.labels], size),
        ImageSet(caches.hold(test, cache), labels[test.labels]),
    )
    return held, counts.statistics()


def _read_arrays(source: Source, indices, task, seed: int):
    """Reads the images of a source that gives them decoded alone."""
    if task.cache not in (None, DECODED):
        raise UserError(
            f"Task {task.name!r}: dataset {task.dataset!r} gives decoded images alone: leave out "
            f"cache {task.cache!r}."
        )
    labels = _new_labels(source, indices)
    held = []
    for split in _SPLITS:
        images, old_labels = source.read(split, _selection(task, split, labels, seed))
        _check_images(task, split, old_labels)
        held.append(ImageSet(images, labels[old_labels]))
    caches.check_memory(task, sum(part.images.nbytes for part in held))
    return held, image_tools.channel_statistics(held[0].images)


def _held(task: Task, splits: Sequence[EncodedImages], how: str) -> str:
    """How a task's images are held, in one line."""
    train, test = (len(split.labels) for split in splits)
    return f"Task {task.name}: {train:,} training and {test:,} test images, {how}"


def _new_labels(source: Source, indices) -> np.ndarray:
    """The labels of a task by those of its dataset, -1 where a class is none of the task's."""
    labels = np.full(len(source.class_names), -1, np.int32)
    labels[list(indices)] = np.arange(len(indices))
    return labels


def _selection(task: Task, split: str, new_label: np.ndarray, seed: int):
    """The function from a split's labels to the positions of a task's images."""
    limit = task.train_examples if split == "train" else None

    def select(labels):
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(new_label):
            raise UserError(
                f"Task {task.name!r}: the {split} split of {task.dataset!r} holds labels outside "
                f"of its classes, 0 to {len(new_label) - 1}: choose a labelled split with "
                f"Task.{split}_split, or restore the dataset's files if they are damaged."
            )
        positions = np.flatnonzero(new_label[labels] >= 0)
        if limit is None:
            return positions
        if task.draw == RANDOM:
            positions = _shuffled(task, positions, seed)
        return first_of_each(labels, positions, limit)

    return select


def _shuffled(task: Task, positions: np.ndarray, seed: int) -> np.ndarray:
    """The positions in an order of the seed, the same whatever other tasks there are."""
    stream = np.random.default_rng([seed, zlib.crc32(task.name.encode())])
    return stream.permutation(positions)


def _check_images(task: Task, split: str, labels: np.ndarray) -> None:
    if not len(labels):
        raise UserError(
            f"Task {task.name!r}: the {split} split of {task.dataset!r} holds no image of its "
            "classes. Check Task.classes and the splits."
        )


def first_of_each(labels: np.ndarray, positions: np.ndarray, limit: int) -> np.ndarray:
    """Keeps the first positions of each label.

    Args:
        labels: Labels of a whole split, shape (n,).
        positions: Positions in `labels` to choose from, in the order of choice.
        limit: How many to keep of each label.

    Returns:
        The positions kept, ascending.
    """
    kept = [positions[labels[positions] == label][:limit] for label in np.unique(labels[positions])]
    return np.sort(np.concatenate(kept)) if kept else positions
