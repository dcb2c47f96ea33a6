"""Going on from an old task's network that another run of the sequence has trained.

Methods that start from the same old network, such as LwF, Feature Extraction and DA-CNN, need
it trained once a seed.
"""

import pathlib
import shutil
from collections.abc import Sequence

from dvn_tf.errors import UserError
from dvn_tf.files import atomic_folder
from dvn_tf.methods import Stage
from dvn_tf.tasks import TaskInfo
from dvn_tf.training.configuration import read_config
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.run_folder import RunFolder


def check_initial_run(
    initial_run, stages: Sequence[Stage], experiment: Experiment, info: TaskInfo, map_size: int
) -> None:
    """Checks that the first stage of a run is the one that an experiment would train.

    Args:
        initial_run: the run's folder.
        stages: the stages of the method that is to go on from it.
        experiment: what is to be run.
        info: the first task.
        map_size: height of the maps where all tasks of the sequence meet.

    Raises:
        UserError: if the old run is missing, unfinished, damaged, of another shape or trained
            by another recipe.
    """
    stage, run = stages[0], pathlib.Path(initial_run)
    if len(stages) < 2:
        raise UserError(
            f"{experiment.method.title} on {experiment.scenario.name} has one stage and goes on "
            "from no old run: leave --initial_run out"
        )
    folder = RunFolder(run / stage.name)
    if not (run / "config.gin").is_file() or folder.stage() is None:
        raise UserError(
            f"there is no trained network of task {stage.name} in {run}: give the --initial_run of "
            "a run that has finished its first stage"
        )
    scenario, recipe, _ = read_config([str(run / "config.gin")])
    theirs, ours = scenario.tasks[0], experiment.scenario.tasks[0]
    if (theirs, recipe) != (ours, experiment.recipe):
        what = "task" if theirs != ours else "recipe (epochs, seed and the like)"
        raise UserError(f"the old run {run} is of another {what}: train the old task anew")
    network = folder.load_model()
    known = network.tasks[0]
    shapes = [
        (net.backbone, net.table, net.partition, maps, task.image_shape, task.num_classes)
        for net, maps, task in ((network, network.map_size, known), (stage, map_size, info))
    ]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"the old run {run} is of another shape: it has {_describe(*shapes[0])}, but "
            f"{experiment.method.title} starts from {_describe(*shapes[1])}"
        )


def copy_first_stage(initial_run, folder: RunFolder, name: str) -> None:
    """Copies a finished stage of another run, so that the new run is whole by itself.

    Args:
        initial_run: the other run's folder.
        folder: the new run's folder of the stage; one that is there already is left.
        name: of the stage.
    """
    if folder.stage() is None:
        with atomic_folder(folder.path) as new:
            ignored = shutil.ignore_patterns("checkpoints", "export", ".*")
            shutil.copytree(
                pathlib.Path(initial_run) / name, new, ignore=ignored, dirs_exist_ok=True
            )


def _describe(backbone, table, partition, map_size, image_shape, num_classes) -> str:
    units = table.units(1, table.num_levels)
    return (
        f"{backbone.name} with units {units} of {partition.num_units}, images of "
        f"{image_shape[0]} pixels on maps of {map_size} and {num_classes} classes"
    )
