"""Tests that run under TensorFlow are run again under JAX, in a process of their own.

One method of each kind stands for all: PackNet+ freezes parts of kernels, LwF distils, and DA-CNN
starts from LwF's first stage and trains new layers alone. Causal levels read kernels in blocks of
their own. Mixed precision scales the loss.
"""

import re

import pytest

pytest.importorskip("jax")

FROZEN, PRECISION = "tests/methods/test_frozen.py", "tests/training/test_precision.py"
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
    "precision": (
        f"{PRECISION}::test_late_gradients_equal_those_of_float32",
        f"{PRECISION}::test_a_step_that_overflows_is_left_out_and_halves_the_scale",
        f"{PRECISION}::test_normalization_keeps_its_statistics_in_single_precision",
        f"{PRECISION}::test_the_scale_is_kept_through_a_resume",
    ),
}


@pytest.mark.parametrize(("name", "tests"), [("methods", 9), ("precision", 5)])
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
