"""TensorBoard's event files of a run that was interrupted, and the sizes in their tags."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dvn_tf.training.event_files import EventFile, scalar, write_events
from dvn_tf.training.sizes import averages, size_names


def points(folder, tag) -> dict[int, float]:
    """{step: value}, as TensorBoard reads a run; no step may come twice."""
    events = EventAccumulator(str(folder), {"tensors": 0}).Reload().Tensors(tag)
    steps = [event.step for event in events]
    assert len(steps) == len(set(steps))
    return dict(zip(steps, (event.tensor_proto.float_val[0] for event in events), strict=True))


def start(folder, steps, value) -> EventFile:
    """A start of a run that writes some steps."""
    file = EventFile(folder, steps[0])
    for step in steps:
        file.write([(scalar("accuracy", value), step), (scalar(f"start {value}", value), step)])
    file.close()
    return file


def test_an_interrupted_run_has_every_point_once(tmp_path):
    """It was killed after epoch 3 was written, but before its checkpoint was."""
    assert start(tmp_path, [1, 2, 3], 1).first
    assert not start(tmp_path, [3, 4], 2).first
    assert points(tmp_path, "accuracy") == {1: 1, 2: 1, 3: 2, 4: 2}
    assert points(tmp_path, "start 1") == {1: 1, 2: 1}


def test_a_record_cut_short_hides_nothing_of_the_next_start(tmp_path):
    start(tmp_path, [1, 2, 3], 1)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    start(tmp_path, [3, 4], 2)
    assert points(tmp_path, "accuracy") == {1: 1, 2: 1, 3: 2, 4: 2}


def test_a_tenth_start_is_read_last(tmp_path):
    for number in range(1, 13):
        start(tmp_path, [number], number)
    write_events(tmp_path, "final", [(scalar("accuracy", 99), 99)])
    assert points(tmp_path, "accuracy") == {n: n for n in range(1, 13)} | {99: 99}


def test_outputs_are_named_by_their_size():
    densities = {"a/b/level1": 0.254, "a/b/level2": 1.0, "c/level1": 0.507}
    assert size_names(densities) == {
        "a/b/level1": ("a/b", "25 %"),
        "a/b/level2": ("a/b", "full"),
        "c/level1": ("c", "51 %"),
    }


def test_outputs_of_one_size_are_told_apart():
    densities = {"a/level1": 0.25, "a/level2": 1.0, "a/level3": 1.0, "b/level1": 1.0}
    assert [size for _, size in size_names(densities).values()] == [
        "25 %", "full (level 2)", "full (level 3)", "full",
    ]  # fmt: skip


def test_averages_need_every_task():
    densities = {"a/level1": 0.25, "a/level2": 1.0, "b/level1": 0.5, "b/level2": 1.0}
    accuracies = {"a/level1": 0.1, "a/level2": 0.2, "b/level1": 0.5, "b/level2": 0.6}
    assert averages(accuracies, densities, 2) == pytest.approx({"full": 0.4, "largest": 0.4})
    assert averages(accuracies, densities, 3) == {}
    first = {name: accuracies[name] for name in ("a/level2", "b/level1")}
    assert averages(first, densities, 2) == pytest.approx({"largest": 0.35})
