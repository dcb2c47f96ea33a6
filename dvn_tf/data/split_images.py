"""The images of one split of a dataset of TFDS."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from dvn_tf.data import images as image_tools
from dvn_tf.data import progress
from dvn_tf.data.records import Records
from dvn_tf.machine import num_cores

_BATCH = 1024  # labels read at a time


class SplitImages:
    """Images of a split of TFDS; see `dvn_tf.data.encoded.EncodedImages`.

    Args:
        dataset: The `dvn_tf.data.catalog.Catalogued` that has the split.
        split_name: The split, as TFDS names it.
        size: Height and width of the decoded images in pixels.
        crop_from: See there.
        select: Function from the split's labels to the ascending positions to keep.

    Raises:
        UserError: If there is no such split, or it is cut short or damaged.
    """

    def __init__(self, dataset, split_name: str, size: int, crop_from: int | None, select):
        self.name = dataset.name
        self._dataset = dataset
        self._split_name = split_name
        self._crop_from = crop_from
        with dataset.damage_named():
            found = dataset.examples(split_name).map(dataset.label_and_size).batch(_BATCH)
            batches = []
            with progress.counter(None, f"Reading the labels of {self.name}") as counter:
                for batch in found.as_numpy_iterator():
                    batches.append(batch)
                    counter.update(len(batch[0]))
            labels, sizes = (
                np.concatenate([np.zeros(0, np.int32), *(batch[i] for batch in batches)])
                for i in range(2)
            )
            labels = labels.astype(np.int32)
            positions = np.asarray(select(labels))
        self._wanted = np.zeros(len(labels), bool)
        self._wanted[positions] = True
        self.labels = labels[positions]
        self.sizes = sizes[positions]
        self.shape = (len(positions), size, size, dataset.image_shape[2])
        self._folder = dataset.record_folder()
        self._records = None

    @property
    def random_access(self) -> bool:
        """Whether the images lie in TFRecord files on this machine."""
        return self._folder is not None

    def chunks(
        self, contents: bool, locate: bool
    ) -> Iterator[tuple[Sequence[bytes] | None, np.ndarray]]:
        """Reads and decodes all images once, see `EncodedImages`."""
        dataset = self._dataset
        wanted = tf.constant(self._wanted)
        records = Records(self._folder) if locate else None

        def read(_, example):
            content = dataset.content(example)
            return self._pixels(content), content, example.get("tfds_id", "")

        with dataset.damage_named():
            # Only the images that are kept are decoded.
            examples = dataset.examples(self._split_name, with_ids=locate).enumerate()
            examples = examples.filter(lambda i, _: tf.gather(wanted, i))
            decoded = examples.map(read, num_parallel_calls=num_cores())
            step = image_tools.chunk_length(self.shape)
            for images, encoded, ids in decoded.batch(step).prefetch(1).as_numpy_iterator():
                if records is not None:
                    records.add(ids, encoded)
                yield encoded if contents else None, images
            if records is not None:
                self._records = records.packed()

    def decode(self, position: int, content: bytes | None = None) -> np.ndarray:
        """Decodes an image, see `EncodedImages`."""
        # On a GPU, resizing would round otherwise.
        with self._dataset.damage_named(), tf.device("CPU:0"):
            if content is None:
                content = self._records.content(position)
            return self._pixels(content).numpy()

    def _pixels(self, content):
        """Decodes an image to the size of all; all that is read goes this way."""
        image, size = self._dataset.decode(content), self.shape[1]
        if self._crop_from is None:
            return _resize(image, size)
        return image_tools.middle(_resize(_central_square(image), self._crop_from), size)


def _central_square(image: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes a uint8 image, bilinear with antialiasing, unless it has the size already."""
    shape = (size, size, image.shape[2])
    if image.shape.as_list() == list(shape):
        return image
    pixels = tf.image.resize(image, shape[:2], antialias=True)
    pixels = tf.clip_by_value(tf.round(pixels), 0, 255)
    return tf.ensure_shape(tf.cast(pixels, tf.uint8), shape)
