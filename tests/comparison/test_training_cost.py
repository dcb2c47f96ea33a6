"""What training costs in multiply-adds, and which levels the stages of a run train."""

import json
import math

import pytest

import dvn_tf
from dvn_tf.comparison.comparison import read_comparison


def with_multiply_adds(run, adds, **changes):
    """Gives the outputs of a run other multiply-adds, {name: number}."""
    file = run / "results.json"
    results = json.loads(file.read_text()) | changes
    for name, number in adds.items():
        results["outputs"][name]["multiply_adds"] = number
    file.write_text(json.dumps(results))
    return dvn_tf.read_runs(run)["training_multiply_adds"].iloc[0]


ADDS = {
    "cifar10/level1": 5, "cifar10/level2": 70, "cifar100/level1": 1100, "cifar100/level2": 13_000
}  # fmt: skip


def test_every_output_s_forward_pass_counts_three_times(own):
    # 50,000 training images of either task, 4 epochs.
    expected = 3 * 50_000 * 4 * (5 + 70 + 1100 + 13_000)
    assert with_multiply_adds(own / "dvn" / "seed0", ADDS) == expected
    # Eq. 4 costs as much as training all of them by themselves.
    assert with_multiply_adds(own / "separate" / "seed0", ADDS) == expected


def test_a_run_s_own_count_goes_first(own):
    found = with_multiply_adds(own / "dvn" / "seed0", ADDS, training_multiply_adds=75 * 10**15)
    assert found == 75e15


def test_stages_count_what_they_learn(s1):
    adds = {
        "classes_0-4/level1": 5, "classes_0-4/level2": 70,
        "classes_5-9/level1": 1100, "classes_5-9/level2": 13_000,
    }  # fmt: skip
    # The network of the first stage has one level; the second stage learns the new task alone.
    assert with_multiply_adds(s1 / "dvn" / "seed0", adds) == 3 * 25_000 * 4 * (5 + 1100 + 13_000)


def test_files_without_sizes_have_no_cost(own):
    for method in ("dvn", "separate"):
        run = own / method / "seed0"
        assert math.isnan(with_multiply_adds(run, {"cifar100/level2": None}))


@pytest.mark.parametrize("wrong", [1.5, "3", -1, True, 2 * 10**18])
def test_a_count_that_cannot_be_is_refused(own, wrong):
    with pytest.raises(dvn_tf.UserError, match="training_multiply_adds' is "):
        with_multiply_adds(own / "dvn" / "seed0", {}, training_multiply_adds=wrong)


def test_networks_of_their_own_have_their_level_s_curve(own):
    comparison = read_comparison(own)
    results = json.loads((own / "separate" / "seed1" / "results.json").read_text())
    for level in (1, 2):
        curves = comparison.curves("separate", "cifar100", level, "task_epoch")
        assert list(curves.index) == [1, 2, 3, 4]
        last = results["outputs"][f"cifar100/level{level}"]["accuracy"]
        assert curves.loc[4, 1] == pytest.approx(100 * last)
    # One network after the other: the second level's is the fourth.
    assert list(comparison.curves("separate", "cifar100", 2).index) == [13, 14, 15, 16]


def test_nothing_is_forgotten_by_networks_of_their_own(own):
    outputs = dvn_tf.read_runs(own / "separate")
    assert (outputs["correct_after_stage"] == outputs["correct"]).all()
