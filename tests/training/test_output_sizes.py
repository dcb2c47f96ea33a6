"""What progress tables and TensorBoard call the outputs of a network."""

import pytest

from dvn_tf.training.sizes import averages, size_names

DENSITIES = {"a/level1": 0.25, "a/level2": 1.0, "b/level1": 0.25, "b/level2": 0.5, "b/level3": 1.0}
ACCURACIES = {"a/level1": 0.5, "a/level2": 0.6, "b/level1": 0.7, "b/level2": 0.75, "b/level3": 0.8}


def test_an_output_is_named_by_its_task_and_size():
    assert size_names(DENSITIES) == {
        "a/level1": ("a", "25 %"),
        "a/level2": ("a", "full"),
        "b/level1": ("b", "25 %"),
        "b/level2": ("b", "50 %"),
        "b/level3": ("b", "full"),
    }


def test_outputs_of_one_size_are_told_apart_by_their_level():
    """Neighbouring levels may be equal, and names are rounded."""
    densities = {"a/level1": 0.25, "a/level2": 0.252, "a/level3": 1.0, "b/level1": 0.25}
    assert size_names(densities) == {
        "a/level1": ("a", "25 % (level 1)"),
        "a/level2": ("a", "25 % (level 2)"),
        "a/level3": ("a", "full"),
        "b/level1": ("b", "25 %"),
    }


def test_averages_are_of_the_sizes_that_all_tasks_have():
    means = averages(ACCURACIES, DENSITIES, num_tasks=2)
    assert means == {
        "25 %": pytest.approx(0.6),
        "full": pytest.approx(0.7),
        "largest": pytest.approx(0.7),
    }


def test_there_is_no_average_while_a_task_is_missing():
    of_a = {name: value for name, value in ACCURACIES.items() if name.startswith("a/")}
    assert averages(of_a, DENSITIES, num_tasks=2) == {}
