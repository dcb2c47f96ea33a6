"""Tests that run under TensorFlow are run again under JAX, in a process of their own.

One method of each kind stands for all: PackNet+ freezes parts of kernels, LwF distils, and DA-CNN
starts from LwF's first stage and trains new layers alone. Causal levels read kernels in blocks of
their own. Mixed precision scales the loss, levels teach each other, and gradients are divided.
"""

import re

import pytest

pytest.importorskip("jax")

LOWER, ONE_LEVEL = "tests/networks/test_lower_batches.py", "tests/networks/test_one_level.py"
FROZEN, PRECISION = "tests/methods/test_frozen.py", "tests/training/test_precision.py"
LEARNING, MEAN = "tests/networks/test_self_distillation.py", "tests/networks/test_mean_gradients.py"
SELECTED = {
    "methods": (
        f"{FROZEN}::test_packnet_leaves_the_logits_of_earlier_tasks_bit_for_bit",
        f"{FROZEN}::test_packnet_moves_its_own_connections_and_none_between_frozen_units",
        f"{FROZEN}::test_lwf_trains_the_new_head_alone_and_then_everything",
        f"{FROZEN}::test_a_frozen_backbone_keeps_all_but_the_new_head[da_cnn]",
        f"{FROZEN}::test_a_frozen_backbone_leaves_the_old_logits_bit_for_bit[da_cnn]",
        "tests/methods/test_causal.py::test_it_learns_and_is_called_causal",
        "tests/methods/test_old_data.py::"
        "test_a_stage_reads_the_images_of_the_task_that_it_learns_and_no_other[da_cnn]",
    ),
    "cheaper steps": (
        f"{LOWER}::test_a_step_has_the_gradients_of_each_output_on_its_own_images[2-2-6]",
        f"{ONE_LEVEL}::test_steps_are_those_of_plain_networks_of_the_levels",
        f"{ONE_LEVEL}::test_what_a_step_does_not_use_moves_by_its_momentum_alone",
    ),
    "precision": (
        f"{PRECISION}::test_late_gradients_equal_those_of_float32",
        f"{PRECISION}::test_a_step_that_overflows_is_left_out_and_halves_the_scale",
        f"{PRECISION}::test_normalization_keeps_its_statistics_in_single_precision",
        f"{PRECISION}::test_the_scale_is_kept_through_a_resume",
    ),
    "level learning": (
        LEARNING,
        f"{MEAN}::test_an_identity_divides_what_comes_back",
        f"{MEAN}::test_frozen_units_take_no_gradient_and_all_else_takes_its_mean",
    ),
}


@pytest.mark.parametrize(
    ("name", "tests"),
    [("methods", 9), ("precision", 5), ("level learning", 13), ("cheaper steps", 3)],
)
def test_passes(run_program, name, tests):
    done = run_program(
        "pytest",
        *("-q", "-o", "addopts=--import-mode=importlib", *SELECTED[name]),
        KERAS_BACKEND="jax",
        PYTEST_ADDOPTS="",  # a second -q from outside would hide the line that counts
        XLA_FLAGS="--xla_backend_optimization_level=0",  # compiles in half the time
    )
    assert done.returncode == 0, done.stdout
    # None was skipped, so that nothing passes by itself.
    assert re.search(rf"^{tests} passed", done.stdout.splitlines()[-1]), done.stdout
