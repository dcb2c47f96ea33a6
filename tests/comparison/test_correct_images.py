"""Which images each output classifies correctly: read, and checked against the run's counts."""

import numpy as np
import pytest

import dvn_tf
from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.training.correctness import write_correctness


def test_what_was_written_is_read(made, own):
    run = own / "dvn" / "seed2"
    written = made.write_correct(run)
    found = read_comparison(own).correct
    assert list(found) == [str(run)]
    for name, bits in written.items():
        np.testing.assert_array_equal(found[str(run)][name], bits)


def one_image_more(correct):
    [name, *_] = correct
    correct[name][np.flatnonzero(~correct[name])[0]] = True


def fewer_images(correct):
    [name, *_] = correct
    correct[name] = correct[name][np.flatnonzero(correct[name])]


def an_output_less(correct):
    correct.popitem()


def an_output_more(correct):
    correct["cifar10/level3"] = np.ones(3, bool)


@pytest.mark.parametrize("spoil", [one_image_more, fewer_images, an_output_less, an_output_more])
def test_what_contradicts_the_counts_is_refused(made, own, spoil):
    run = own / "dvn" / "seed2"
    correct = made.write_correct(run)
    spoil(correct)
    write_correctness(run / "correct.json", correct)
    with pytest.raises(dvn_tf.UserError, match=r"seed2/correct\.json has .*, and results\.json"):
        read_comparison(own)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cifar10/level1": {"total": 9, "bits": "?"}}'])
def test_a_damaged_file_is_refused(made, own, text):
    made.write_correct(own / "dvn" / "seed2")
    (own / "dvn" / "seed2" / "correct.json").write_text(text)
    with pytest.raises(dvn_tf.UserError, match=r"seed2/correct\.json"):
        read_comparison(own)


def test_a_folder_in_its_place_is_refused(own):
    (own / "dvn" / "seed2" / "correct.json").mkdir()
    with pytest.raises(dvn_tf.UserError, match=r"correct\.json"):
        read_comparison(own)
