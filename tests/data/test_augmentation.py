import itertools

import numpy as np
import pytest
import tensorflow as tf

from dvn_tf.data import Task
from dvn_tf.data.augmentation import crop_and_flip, crop_padding, draw_crops


def padded_crop(image, offset, flip, padding):
    """The same by NumPy's own padding and slicing."""
    height, width, _ = image.shape
    wide = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), mode="reflect")
    top, left = np.asarray(offset) + padding
    crop = wide[top : top + height, left : left + width]
    return crop[:, ::-1] if flip else crop


@pytest.mark.parametrize("shape", [(5, 5, 3), (4, 6, 1), (8, 8, 1)])
def test_every_crop_and_flip_equals_numpy(shape):
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    padding = min(shape[:2]) - 1
    reach = range(-padding, padding + 1)
    cases = list(itertools.product(range(3), itertools.product(reach, reach), (False, True)))
    index, offset, flip = (np.array(column) for column in zip(*cases, strict=True))
    crops = crop_and_flip(
        tf.constant(images),
        tf.constant(index, tf.int32),
        tf.constant(offset, tf.int32),
        tf.constant(flip),
    )
    expected = [padded_crop(images[i], o, f, padding) for i, o, f in cases]
    np.testing.assert_array_equal(crops, expected)
    assert crops.dtype == tf.uint8


def draw(count=4000, image_size=16, seed=(1, 2), **settings):
    task = Task("t", "digits", **settings)
    crops = draw_crops(task, (image_size, image_size, 1), count, tf.constant(seed), "philox")
    return crops["offset"].numpy(), crops["flip"].numpy()


def test_crops_reach_everywhere_within_the_padding_and_half_are_flipped():
    offset, flip = draw(crop_padding=3)
    for axis in (0, 1):
        values, counts = np.unique(offset[:, axis], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(-3, 4))
        assert counts.min() > 4000 / 7 * 0.8
    assert 0.45 < flip.mean() < 0.55
    # Rows, columns and flips are drawn independently.
    together = np.corrcoef([offset[:, 0], offset[:, 1], flip])
    assert np.abs(together - np.eye(3)).max() < 0.06


def test_crops_and_flips_can_be_turned_off():
    offset, flip = draw(crop_padding=0, flip=False)
    assert not offset.any() and not flip.any()


def test_crops_depend_on_the_seed():
    assert (draw(seed=(1, 2))[0] != draw(seed=(1, 3))[0]).any()
    np.testing.assert_array_equal(draw(seed=(1, 2))[0], draw(seed=(1, 2))[0])


@pytest.mark.parametrize(("size", "padding"), [(8, 1), (32, 4), (64, 8), (96, 12)])
def test_padding_is_an_eighth_of_the_image_unless_set(size, padding):
    assert crop_padding(Task("t", "digits"), size) == padding
    assert crop_padding(Task("t", "digits", crop_padding=2), size) == 2
    assert crop_padding(Task("t", "digits", crop_padding=0), size) == 0
    assert np.abs(draw(image_size=size)[0]).max() == padding


@pytest.mark.parametrize(("size", "held"), [(224, 256), (32, 36), (96, 110), (1, 1), (8, 10)])
def test_crops_lie_within_an_eighth_more_than_the_image(size, held):
    task = Task("t", "folder:x", resize="crop", image_size=size)
    assert task.crop_from() == held
    crops = draw_crops(task, (size, size, 3), 4000, tf.constant((1, 2)), "philox")
    for axis in (0, 1):
        offsets = crops["offset"].numpy()[:, axis]
        assert (offsets.min(), offsets.max()) == (0, held - size)


def test_a_crop_is_a_part_of_the_image():
    images = np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), np.uint8)
    offset = np.array([[0, 0], [2, 1], [4, 4], [3, 0], [1, 4]], np.int32)
    flip = np.array([False, True, False, True, False])
    crops = crop_and_flip(tf.constant(images), tf.range(5), tf.constant(offset), flip, 5)
    for crop, image, (top, left), mirrored in zip(crops, images, offset, flip, strict=True):
        part = image[top : top + 5, left : left + 5]
        np.testing.assert_array_equal(crop, part[:, ::-1] if mirrored else part)
