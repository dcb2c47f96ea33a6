"""Exports of networks at paper size, not trained: what they take does not depend on weights."""

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image


def untrained_export(
    gin_file: str, task: str, datasets: Sequence[str], classes: int, size: int, folder: pathlib.Path
) -> pathlib.Path:
    """Exports all levels of a task of a scenario, float and int8; gives the export folder.

    Args:
        gin_file: the scenario.
        task: the task.
        datasets: the parameters that name its data sets.
        classes: the number of classes of the scenario's data set.
        size: height and width of its images.
        folder: an empty folder.
    """
    from dvn_tf import data, export
    from dvn_tf.training import configuration, fitting
    from dvn_tf.training.run_folder import RunFolder

    rng = np.random.default_rng(0)
    for number in range(2 * classes):
        split, label = ("test" if number < classes else "train"), number % classes
        path = folder / "images" / split / f"class{label:03d}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(path)
    params = [f"{name} = 'folder:{folder}/images'" for name in datasets]
    experiment = configuration.read_experiment([gin_file], params)
    tasks = experiment.scenario.tasks
    network = fitting.build_network(
        experiment.scenario, [data.load(one).info for one in tasks], experiment.recipe
    )
    run = RunFolder(folder / "run")
    run.claim(experiment.config)
    network.save(run.path / "model.keras")
    export.export_run(run.path, folder / "export", ("litert", "litert_int8"), task=task)
    return folder / "export"
