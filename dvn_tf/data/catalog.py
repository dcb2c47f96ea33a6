"""Image classification datasets of TFDS, the project's own Tiny-ImageNet among them."""

import contextlib
import logging
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dvn_tf.data import preparation
from dvn_tf.data.builders import find_builder
from dvn_tf.data.split_images import SplitImages
from dvn_tf.errors import UserError

# What TensorFlow raises when a record or an image in it is damaged or missing.
_DAMAGE = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
)
_CHOOSE_SPLITS = (
    "Set Task.train_split and Task.test_split, such as 'train[:80%]' and 'train[80%:]'."
)


class Catalogued:
    """An image classification dataset of TFDS.

    Args:
        name: TFDS's name, such as `"cifar10"` or `"cifar100:3.0.2"`.
        data_dir: TFDS's data folder. None is TFDS's own default.
        label_key: The feature to learn.
        image_key: The feature that holds the image.
        image_size: Height and width in pixels to resize to. None keeps the dataset's own.
        train_split: TFDS split to train on. None is `"train"`.
        test_split: TFDS split to test on. None is `"test"`, else `"validation"`.
        crop_from: Height and width in pixels to resize the central square of an image to, instead
            of the image: training images have that size, test images are the middle of it.

    Raises:
        UserError: If TFDS has no such dataset, or the dataset has no such image or label.
    """

    def __init__(
        self,
        name: str,
        data_dir: str | os.PathLike | None = None,
        label_key: str = "label",
        image_key: str = "image",
        image_size: int | None = None,
        train_split: str | None = None,
        test_split: str | None = None,
        crop_from: int | None = None,
    ):
        self.name = name
        self._builder = find_builder(name, data_dir)
        self._features = self._builder.info.features
        self._image_key = image_key
        self._label_key = label_key
        self._crop_from = crop_from
        self._splits = {"train": train_split, "test": test_split}
        try:
            self._feature(label_key, tfds.features.ClassLabel, "label_key")
            image = self._feature(image_key, tfds.features.Image, "image_key")
            self.image_shape = self._shape(image, image_size)
        except UserError:
            raise
        except Exception as err:  # the files that describe it may hold anything
            raise self._damaged(err) from err

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes; numbers where the data is absent."""
        return tuple(self._features[self._label_key].names)

    def _feature(self, key, kind, setting):
        keys = sorted(k for k, feature in self._features.items() if isinstance(feature, kind))
        if key not in keys:
            have = f"it has {', '.join(map(repr, keys))}" if keys else "it has none"
            raise UserError(
                f"Dataset {self.name!r} has no {kind.__name__} feature {key!r} "
                f"(Task.{setting}): {have}."
            )
        return self._features[key]

    def _shape(self, image, image_size):
        height, width, channels = image.shape
        if image.np_dtype != np.uint8 or channels not in (1, 3):
            raise UserError(
                f"Dataset {self.name!r}: images must have 1 or 3 channels of 8 bits, not "
                f"{channels} of type {np.dtype(image.np_dtype).name}."
            )
        if image_size is None and (height is None or height != width):
            size = "varies" if height is None or width is None else f"is {height} x {width}"
            raise UserError(
                f"Dataset {self.name!r}: the size of its images {size}: "
                "set Task.image_size to resize them, such as image_size = 64."
            )
        return (image_size or height, image_size or width, channels)

    def encoded(self, split: str, select) -> SplitImages:
        """Finds the images of one split. Downloads the dataset first if it is absent.

        Args:
            split: `"train"` or `"test"`.
            select: Function from a split's labels to the ascending positions to keep.

        Raises:
            UserError: If the data cannot be downloaded, is cut short or damaged.
        """
        preparation.prepare(self._builder)
        size = self._crop_from if self._crop_from and split == "train" else self.image_shape[0]
        return SplitImages(self, self._split_name(split), size, self._crop_from, select)

    def _split_name(self, split: str) -> str:
        if self._splits[split]:
            return self._splits[split]
        names = list(self._builder.info.splits)
        if split == "train" or not names or "test" in names:
            return split
        return "validation"

    def examples(self, split_name: str, with_ids: bool = False) -> tf.data.Dataset:
        """The examples of a split in the dataset's order, their images still encoded.

        Args:
            split_name: As TFDS names it.
            with_ids: Whether "tfds_id" says from which record of which file they are.

        Raises:
            UserError: If there is no such split.
        """
        images = (k for k, f in self._features.items() if isinstance(f, tfds.features.Image))
        # By itself TFDS keeps the records of small datasets in memory.
        config = tfds.ReadConfig(try_autocache=False, add_tfds_id=with_ids)
        config.options.autotune.enabled = False  # see `dvn_tf.data.pipelines`
        try:
            with _without_warnings():
                return self._builder.as_dataset(
                    split=split_name,
                    decoders=dict.fromkeys(images, tfds.decode.SkipDecoding()),
                    read_config=config,
                )
        # An unknown split and one that is malformed raise different classes.
        except (AssertionError, KeyError, ValueError) as err:
            splits = ", ".join(map(repr, self._builder.info.splits))
            raise UserError(
                f"Dataset {self.name!r} has no split {split_name!r}: "
                + (f"it has {splits}. {_CHOOSE_SPLITS}" if splits else self._restore())
            ) from err

    def label_and_size(self, example):
        """The label of an example, and the bytes of its image, as tensors."""
        image = example[self._image_key]
        size = tf.strings.length(image) if image.dtype == tf.string else tf.size(image)
        return example[self._label_key], size

    def content(self, example):
        """The encoded image of an example."""
        return example[self._image_key]

    def decode(self, content):
        """Decodes an image to a uint8 tensor in its own size."""
        return self._features[self._image_key].decode_example(content)

    def record_folder(self) -> str | None:
        """The folder of the dataset's TFRecord files; None if there are none on this machine."""
        folder = str(self._builder.data_path)
        records = self._builder.info.file_format == tfds.core.FileFormat.TFRECORD
        # The mocked datasets of TFDS have no splits.
        return folder if records and self._builder.info.splits and os.path.isdir(folder) else None

    @contextlib.contextmanager
    def damage_named(self) -> Iterator[None]:
        """Turns what TFDS and TensorFlow raise on damaged files into one error."""
        try:
            yield
        except UserError:
            raise
        except _DAMAGE as err:
            raise UserError(f"Dataset {self.name!r}: {self._restore()}") from err
        except Exception as err:  # TFDS and TensorFlow raise many more
            raise self._damaged(err) from err

    def _damaged(self, err: Exception) -> UserError:
        reason = preparation.reason(err)
        return UserError(f"Dataset {self.name!r} cannot be read ({reason}): {self._restore()}")

    def _restore(self) -> str:
        return (
            f"the files in {self._builder.data_dir} are cut short or damaged: "
            "restore them, or delete that folder and run again to prepare them anew."
        )


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps TensorFlow from telling the user what TFDS should call instead."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
