"""Exports of networks at paper size, not trained: what they take does not depend on weights.

    python tests/runtime/shaped_exports.py J2 FOLDER

writes the networks of J2's first task to FOLDER/export, for `python -m dvn_runtime.benchmark`.
"""

import pathlib
import sys

import numpy as np
from PIL import Image

_J1_DATASETS = ("cifar10/Task.dataset", "cifar100/Task.dataset")
# {scenario: its gin file, a task, parameters that name data sets, classes, pixels a side}.
SHAPES = {
    "J1": ("gin/j1_cifar.gin", "cifar100", _J1_DATASETS, 100, 32),
    "J2": ("gin/j2_tiny.gin", "tiny_imagenet_1", ("Task.dataset",), 200, 64),
}


def untrained_export(scenario: str, folder: pathlib.Path) -> pathlib.Path:
    """Exports all levels of a task of a scenario, float and int8; gives the export folder.

    Args:
        scenario: a key of `SHAPES`.
        folder: an empty folder.
    """
    gin_file, task, datasets, classes, size = SHAPES[scenario]
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


if __name__ == "__main__":
    untrained_export(sys.argv[1], pathlib.Path(sys.argv[2]).resolve())
