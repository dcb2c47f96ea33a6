"""correct.json: a bit for each test image of each output."""

import json

import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.training.correctness import read_correctness, write_correctness


@pytest.mark.parametrize("total", [1, 7, 8, 9, 1001])
def test_bits_come_back_as_they_were(tmp_path, total):
    stream = np.random.default_rng(total)
    correct = {f"task/level{level}": stream.random(total) < 0.7 for level in (1, 2)}
    write_correctness(tmp_path / "correct.json", correct)
    found = read_correctness(tmp_path / "correct.json")
    assert list(found) == list(correct)
    for name, values in correct.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_file_takes_a_bit_an_image(tmp_path):
    write_correctness(tmp_path / "correct.json", {"task/level1": np.ones(10_000, bool)})
    assert (tmp_path / "correct.json").stat().st_size < 10_000 / 8 * 4 / 3 + 100


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"task/level1": {"bits": "gA=="}},
        {"task/level1": {"total": 1, "bits": "g"}},
        {"task/level1": {"total": 1, "bits": "\u00e4"}},
        {"task/level1": {"total": 9, "bits": "gA=="}},
        {"task/level1": {"total": 0, "bits": "gA=="}},
        {"task/level1": {"total": -1, "bits": ""}},
    ],
)
def test_damage_is_one_line(tmp_path, content):
    (tmp_path / "correct.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"correct\.json is damaged"):
        read_correctness(tmp_path / "correct.json")
