"""What is known of a task, and the names that follow from it."""

import pytest

from dvn_tf.tasks import size_name


@pytest.mark.parametrize(
    ("density", "name"),
    [
        (1.0, "full"),
        (0.2533, "25 %"),
        (1 / 16, "6 %"),
        (0.9999, "full"),
        (0.001, "under 1 %"),
        (3.946, "395 %"),
    ],
)
def test_a_size_is_named_by_its_density(density, name):
    assert size_name(density) == name
