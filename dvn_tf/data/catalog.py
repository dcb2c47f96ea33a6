"""Image classification datasets of TFDS, the project's own Tiny-ImageNet among them."""

import contextlib
import difflib
import os
import sys
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dvn_tf.data import images as image_tools
from dvn_tf.data import preparation, progress, tiny_imagenet
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
_BATCH = 256  # images decoded at a time


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
    ):
        self._name = name
        self._builder = _find_builder(name, data_dir)
        self._features = self._builder.info.features
        self._image_key = image_key
        self._label_key = label_key
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
                f"Dataset {self._name!r} has no {kind.__name__} feature {key!r} "
                f"(Task.{setting}): {have}."
            )
        return self._features[key]

    def _shape(self, image, image_size):
        height, width, channels = image.shape
        if image.np_dtype != np.uint8 or channels not in (1, 3):
            raise UserError(
                f"Dataset {self._name!r}: images must have 1 or 3 channels of 8 bits, not "
                f"{channels} of type {np.dtype(image.np_dtype).name}."
            )
        if image_size is None and (height is None or height != width):
            size = "varies" if height is None or width is None else f"is {height} x {width}"
            raise UserError(
                f"Dataset {self._name!r}: the size of its images {size}: "
                "set Task.image_size to resize them, such as image_size = 64."
            )
        return (image_size or height, image_size or width, channels)

    def read(self, split: str, select) -> tuple[np.ndarray, np.ndarray]:
        """Reads the images of one split. Downloads the dataset first if it is absent.

        Args:
            split: `"train"` or `"test"`.
            select: Function from a split's labels to the ascending positions to keep.

        Returns:
            Images, uint8 of shape (n, height, width, channels), and labels, int32 (n,).

        Raises:
            UserError: If the data cannot be downloaded, is cut short or damaged.
        """
        preparation.prepare(self._builder)
        split_name = self._split_name(split)
        try:
            labels = self._read_labels(split_name)
            positions = select(labels)
            return self._read_images(split_name, positions, len(labels)), labels[positions]
        except UserError:
            raise
        except _DAMAGE as err:
            raise UserError(f"Dataset {self._name!r}: {self._restore()}") from err
        except Exception as err:  # TFDS and TensorFlow raise many more
            raise self._damaged(err) from err

    def _split_name(self, split: str) -> str:
        if self._splits[split]:
            return self._splits[split]
        names = list(self._builder.info.splits)
        if split == "train" or not names or "test" in names:
            return split
        return "validation"

    def _examples(self, split_name) -> tf.data.Dataset:
        """The examples of a split in the dataset's order, their images still encoded."""
        images = (k for k, f in self._features.items() if isinstance(f, tfds.features.Image))
        try:
            return self._builder.as_dataset(
                split=split_name, decoders=dict.fromkeys(images, tfds.decode.SkipDecoding())
            )
        # An unknown split and one that is malformed raise different classes.
        except (AssertionError, KeyError, ValueError) as err:
            splits = ", ".join(map(repr, self._builder.info.splits))
            raise UserError(
                f"Dataset {self._name!r} has no split {split_name!r}: "
                + (f"it has {splits}. {_CHOOSE_SPLITS}" if splits else self._restore())
            ) from err

    def _damaged(self, err: Exception) -> UserError:
        reason = preparation.reason(err)
        return UserError(f"Dataset {self._name!r} cannot be read ({reason}): {self._restore()}")

    def _restore(self) -> str:
        return (
            f"the files in {self._builder.data_dir} are cut short or damaged: "
            "restore them, or delete that folder and run again to prepare them anew."
        )

    def _read_labels(self, split_name) -> np.ndarray:
        labels = self._examples(split_name).map(lambda example: example[self._label_key])
        batches = list(labels.batch(_BATCH).as_numpy_iterator())
        return np.concatenate(batches).astype(np.int32) if batches else np.zeros(0, np.int32)

    def _read_images(self, split_name, positions, count) -> np.ndarray:
        """Decodes the images at `positions` of a split straight into one array."""
        wanted = np.zeros(count, bool)
        wanted[positions] = True

        def decode(_, example):
            image = self._features[self._image_key].decode_example(example[self._image_key])
            return _resize(image, self.image_shape)

        # Only the images that are kept are decoded.
        examples = self._examples(split_name).enumerate().filter(lambda i, _: tf.gather(wanted, i))
        decoded = examples.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        images = image_tools.allocate((len(positions), *self.image_shape))
        batches = decoded.batch(_BATCH).prefetch(1).as_numpy_iterator()
        start = 0
        with progress.counter(len(positions), f"Reading {self._name}") as counter:
            for batch in batches:
                images[start : start + len(batch)] = batch
                start += len(batch)
                counter.update(len(batch))
        return images


def _resize(image: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Resizes a uint8 image, bilinear with antialiasing, unless it has the size already."""
    if image.shape.as_list() == list(shape):
        return image
    pixels = tf.image.resize(image, shape[:2], antialias=True)
    pixels = tf.clip_by_value(tf.round(pixels), 0, 255)
    return tf.ensure_shape(tf.cast(pixels, tf.uint8), shape)


@contextlib.contextmanager
def _without_imports() -> Iterator[None]:
    """Keeps TFDS from importing the modules that a prepared dataset's features.json names.

    Such a module could lie beside the dataset in the current folder. TFDS's own are allowed, and
    those that are imported already.
    """
    original = tfds.features.FeatureConnector.__dict__["cls_from_name"]

    def cls_from_name(cls, name: str):
        module = name.rpartition(".")[0]
        if not module.startswith("tensorflow_datasets.") and module not in sys.modules:
            raise UserError(f"its features.json names {name}, a class outside of TFDS")
        return original.__func__(cls, name)

    tfds.features.FeatureConnector.cls_from_name = classmethod(cls_from_name)
    try:
        yield
    finally:
        tfds.features.FeatureConnector.cls_from_name = original


def _find_builder(name, data_dir):
    try:
        with _without_imports():
            builder = tfds.builder(name, data_dir=data_dir)
            if isinstance(builder, tiny_imagenet.TinyImagenet):
                builder = tiny_imagenet.builder_at_hand(builder)
        return builder
    except tfds.core.DatasetNotFoundError as err:
        # Those of the community are not used here, and TFDS would ask the network for their names.
        names = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, names, n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise UserError(
            f"There is no dataset {name!r}: give 'digits', 'folder:PATH', a name of TFDS, or the "
            f"name of a source that you registered.{hint}"
        ) from err
    except UserError:
        raise
    # Malformed names, versions and files: TFDS raises no common class for them.
    except Exception as err:
        raise UserError(
            f"Dataset {name!r} cannot be used ({preparation.reason(err)}): "
            "check its name, or restore its folder in the data folder if that is damaged."
        ) from err
