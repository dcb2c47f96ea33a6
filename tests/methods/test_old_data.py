"""While a new task is learned the data of all others is not touched (section 3.3)."""

import pytest

CLASSES = {
    "digits_0-2": {0, 1, 2},
    "digits_3-5": {3, 4, 5},
    "digits_6-9": {6, 7, 8, 9},
    "digits_0-4": {0, 1, 2, 3, 4},
    "digits_5-9": {5, 6, 7, 8, 9},
}


@pytest.mark.parametrize(
    "name", ["dvn", "nestednet", "lwf", "feature_extraction", "da_cnn", "packnet"]
)
def test_a_stage_reads_the_images_of_the_task_that_it_learns_and_no_other(run_of, name):
    run = run_of(name)
    stages = run.results["stages"]
    touched = run.touched
    if name == "da_cnn":  # its first stage was taken over from another run
        stages = stages[1:]
    assert len(touched) == len(stages) + 1
    known = set()
    for record, during in zip(stages, touched, strict=False):
        [task] = record["learned"]
        if task in known:  # LwF learns a task in two stages
            assert during["digits"] <= CLASSES[task]
        else:
            assert during["digits"] == CLASSES[task]
        assert during["pipelines"] == {task}
        known.add(task)
    # The final accuracies are of all tasks, when nothing is learned any more.
    assert touched[-1]["pipelines"] == set(run.results["tasks"])
    assert (
        touched[-1]["digits"]
        >= set.union(*(CLASSES[t] for t in run.results["tasks"]))
        - (CLASSES[stages[-1]["learned"][0]])
    )


def test_joint_learning_reads_all_tasks_at_once(run_of):
    """The watch sees what there is to see."""
    during = run_of("joint dvn").touched[0]
    assert during["digits"] == set(range(10))
    assert during["pipelines"] == {"digits_0-4", "digits_5-9"}
