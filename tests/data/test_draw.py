"""Which training images `Task.train_examples` takes: the first, or a draw of the seed."""

import numpy as np
import pytest

from dvn_tf import data
from dvn_tf.errors import UserError


def drawn(seed, name="digits", **settings):
    task = data.Task(name, "digits", train_examples=20, draw="random", **settings)
    return data.load(task, seed=seed)


def positions(images, whole):
    """Where images stand among all of a dataset, which has no two alike."""
    known = {image.tobytes(): number for number, image in enumerate(whole)}
    assert len(known) == len(whole)
    return [known[image.tobytes()] for image in images]


@pytest.fixture(scope="module")
def whole():
    return data.load(data.Task("digits", "digits")).train


def test_a_draw_has_as_many_images_of_each_class_and_each_once(whole):
    train = drawn(3).train
    assert np.bincount(train.labels).tolist() == [20] * 10
    found = positions(train.images, whole.images)
    assert len(set(found)) == 200
    assert found == sorted(found)  # in the dataset's order, as the first ones are
    np.testing.assert_array_equal(train.labels, whole.labels[found])


def test_seeds_draw_other_images_and_the_same_seed_the_same(whole):
    first, again, other = (positions(drawn(s).train.images, whole.images) for s in (0, 0, 1))
    assert first == again
    # About 20 of 145 images a class are drawn, so that two draws share some 14 %.
    assert 0.02 < len({*first} & {*other}) / 200 < 0.35


def test_every_image_can_be_drawn(whole):
    seen = set()
    for seed in range(60):
        seen |= {*positions(drawn(seed).train.images, whole.images)}
    assert len(seen) > 0.99 * len(whole.images)


def test_test_images_are_not_drawn(whole):
    all_of_them = data.load(data.Task("digits", "digits")).test
    np.testing.assert_array_equal(drawn(5).test.images, all_of_them.images)


def test_the_first_images_are_taken_by_default(whole):
    task = data.Task("digits", "digits", train_examples=20)
    for seed in (0, 1):
        found = positions(data.load(task, seed=seed).train.images, whole.images)
        for label in range(10):
            theirs = [p for p in found if whole.labels[p] == label]
            assert theirs == np.flatnonzero(whole.labels == label)[:20].tolist()


def test_a_draw_without_a_number_says_what_is_missing():
    with pytest.raises(UserError, match="needs train_examples"):
        data.Task("digits", "digits", draw="random")
