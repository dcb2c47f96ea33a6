"""What every output of a network has learned, measured on test images."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from dvn_tf.data import TaskData, pipelines


def evaluate(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    batch_size: int,
    share: pipelines.Share = pipelines.ALL,
) -> dict[str, dict[str, float]]:
    """Measures every output that has labels on its task's whole test split.

    Args:
        network: a compiled network.
        task_data: the images of the network's inputs.
        outputs: {task: the network's outputs that read its images}.
        batch_size: images of each task at a time, of all processes together.
        share: the part of every batch that this process gets.

    Returns:
        {"task/level1": {"correct", "total", "accuracy", "loss"}, ...}: how many of how many
        images were classified correctly, their quotient, and the mean cross-entropy. An output
        that is distilled has none.
    """
    dataset = pipelines.evaluation_dataset(task_data, outputs, batch_size, share)
    return _measured(network.evaluate(dataset, return_dict=True, verbose=0), task_data, outputs)


def correct_images(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Finds out which test images every output classifies correctly.

    Args:
        network: a network.
        task_data: the images of the network's inputs.
        outputs: as for `evaluate`.
        batch_size: images of each task at a time.

    Returns:
        {"task/level1": bool (test images,), ...}, in the order of the test split.
    """
    dataset = pipelines.evaluation_dataset(task_data, outputs, batch_size)
    logits = network.predict(dataset, verbose=0)
    labels = {data.task.name: data.test.labels for data in task_data}
    return {
        # The last batch is filled up with images of no weight.
        name: logits[name][: len(labels[task])].argmax(axis=1) == labels[task]
        for task, names in outputs.items()
        for name in names
    }


def last_evaluation(
    history: Sequence[Mapping[str, float]],
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    """What `evaluate` would measure after the last epoch, which ends with the same evaluation.

    Args:
        history: the logs of all epochs.
        task_data: as for `evaluate`.
        outputs: as for `evaluate`.
    """
    test = "val_"
    metrics = {n.removeprefix(test): v for n, v in history[-1].items() if n.startswith(test)}
    return _measured(metrics, task_data, outputs)


def _measured(
    metrics: Mapping[str, float],
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    totals = {data.task.name: len(data.test) for data in task_data}
    return {
        name: _count(metrics[f"{name}_accuracy"], totals[task])
        | {"loss": float(metrics[f"{name}_cross_entropy"])}
        for task, names in outputs.items()
        for name in names
        if f"{name}_accuracy" in metrics
    }


def _count(accuracy: float, total: int) -> dict:
    """Whole numbers instead of the quotient that Keras computes in single precision."""
    correct = round(float(accuracy) * total)
    return {"correct": correct, "total": total, "accuracy": correct / total}
