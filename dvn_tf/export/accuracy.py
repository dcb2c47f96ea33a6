"""The accuracy of an exported file on its task's test split."""

from collections.abc import Iterable, Sequence

import numpy as np

from dvn_tf.data import ImageSet, TaskData, check_data_dir, load
from dvn_tf.errors import UserError
from dvn_tf.export.formats import Runner
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder

_BATCH = 100
_CALIBRATION_IMAGES = 300


def load_images(
    folder: RunFolder,
    tasks: Iterable[str],
    data_dir=None,
    required: bool = False,
    imports: Sequence[str] = (),
) -> dict[str, TaskData]:
    """Loads the images of some tasks of a run, as its config.gin names them.

    Args:
        folder: the run.
        tasks: names of the tasks.
        data_dir: the folder of TFDS; None is TFDS's own.
        required: whether to raise an error if images cannot be loaded, or only to print why.
        imports: Python modules that the run's settings may import.

    Returns:
        {task: its images}; empty if they cannot be loaded.

    Raises:
        UserError: if they are required and cannot be loaded, or `data_dir` does not exist.
    """
    tasks = set(tasks)
    check_data_dir(data_dir)
    try:
        experiment = configuration.read_run_config(folder.path / "config.gin", imports)
        wanted = [task for task in experiment.scenario.tasks if task.name in tasks]
        return {
            task.name: load(task, data_dir, show_progress=True, seed=experiment.recipe.seed)
            for task in wanted
        }
    except UserError as error:
        if required:
            raise
        reason = " ".join(str(error).split())
        print(f"No accuracy is measured, because the images cannot be loaded: {reason}", flush=True)
        return {}


def calibration_images(images: ImageSet | np.ndarray) -> np.ndarray:
    """Up to 300 images at equal distances through a training set, to represent it."""
    count = min(_CALIBRATION_IMAGES, len(images))
    positions = np.linspace(0, len(images) - 1, count).astype(int)
    return images.read(positions) if isinstance(images, ImageSet) else images[positions]


def accuracy_entry(run: Runner, data: TaskData | None, dtype: str) -> dict:
    """What the manifest says about the accuracy of a file.

    Args:
        run: runs the file.
        data: the images of its task; None if there are none.
        dtype: dtype of the images that the file takes.

    Returns:
        {"accuracy": 0..1, or None without images, "test_examples": how many there are}.
    """
    if data is None:
        return {"accuracy": None, "test_examples": 0}
    return {"accuracy": measure_accuracy(run, data.test, dtype), "test_examples": len(data.test)}


def measure_accuracy(run: Runner, images: ImageSet, dtype: str) -> float:
    """The share of images for which the output of the true class is the greatest.

    Args:
        run: runs the file.
        images: the images and their labels.
        dtype: dtype of the images that the file takes.
    """
    hits = 0
    for start in range(0, len(images), _BATCH):
        outputs = run(images.read(slice(start, start + _BATCH)).astype(dtype))
        labels = images.labels[start : start + _BATCH]
        hits += int(np.sum(np.argmax(outputs, axis=-1) == labels))
    return hits / len(images)
