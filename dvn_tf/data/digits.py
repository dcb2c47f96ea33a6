"""The handwritten digits that come with scikit-learn: real images, no network."""

import numpy as np

from dvn_tf.data import images as image_tools
from dvn_tf.errors import UserError

_MAX_VALUE = 16  # the images have 17 grey levels


class Digits:
    """1,797 grey digits of 8 x 8 pixels, a share of each class held out for testing.

    Args:
        test_fraction: Share of each class to hold out.
        image_size: Height and width in pixels to resize to. None keeps 8.
    """

    def __init__(self, test_fraction: float = 0.2, image_size: int | None = None):
        self.class_names = tuple(str(digit) for digit in range(10))
        self.image_shape = (image_size or 8, image_size or 8, 1)
        self.held_out = True
        self._test_fraction = test_fraction

    def read(self, split: str, select) -> tuple[np.ndarray, np.ndarray]:
        """Reads the images of one split.

        Args:
            split: `"train"` or `"test"`.
            select: Function from a split's labels to the positions to keep.

        Returns:
            Images, uint8 of shape (n, height, width, 1), and labels, int32 of shape (n,).

        Raises:
            UserError: If some class would have no image to train or to test on.
        """
        from sklearn import datasets, model_selection  # only now: it takes a second to import

        grey, labels = datasets.load_digits(return_X_y=True)
        pixels = np.rint(grey.reshape(-1, 8, 8, 1) * (255 / _MAX_VALUE)).astype(np.uint8)
        try:
            # The held-out images are the same in every run, whatever the run's seed.
            parts = model_selection.train_test_split(
                np.arange(len(labels)),
                test_size=self._test_fraction,
                random_state=0,
                stratify=labels,
            )
        except ValueError as err:
            raise UserError(
                f"With Task.test_fraction = {self._test_fraction} some class of the {len(labels)} "
                "digits has no image left to train or to test on: bring it nearer to 0.2."
            ) from err
        positions = np.sort(parts[0 if split == "train" else 1])
        positions = positions[select(labels[positions])]
        size = self.image_shape[0]
        return image_tools.resize(pixels[positions], size), labels[positions].astype(np.int32)
