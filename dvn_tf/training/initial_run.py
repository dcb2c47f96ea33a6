"""The initial checkpoint of a sequence: the first task's network, taken from another run.

LwF, Feature Extraction and DA-CNN start from the same network of the first task; with this it is
trained only once for each seed.
"""

import pathlib
import shutil
from collections.abc import Sequence

from dvn_tf.errors import UserError
from dvn_tf.files import atomic_folder
from dvn_tf.methods import Stage
from dvn_tf.tasks import TaskInfo
from dvn_tf.training.configuration import read_run_config
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.run_folder import RunFolder


def check_initial_run(
    initial_run, stages: Sequence[Stage], experiment: Experiment, info: TaskInfo, map_size: int
) -> None:
    """Checks that the first stage of a run is the one that an experiment would train.

    Args:
        initial_run: folder of the other run.
        stages: the stages of the method that continues from it.
        experiment: the experiment to run.
        info: the first task.
        map_size: height of the maps where all tasks of the sequence meet.

    Raises:
        UserError: if the initial run is missing, unfinished or damaged, or if its first network
            has another shape or was trained by another recipe or version.
    """
    stage, run = stages[0], pathlib.Path(initial_run)
    if len(stages) < 2:
        raise UserError(
            f"{experiment.method.title} on {experiment.scenario.name} has a single stage, so that "
            "an initial run is of no use: leave --initial_run out"
        )
    folder = initial_stage_folder(run, stage)
    if not (run / "config.gin").is_file() or folder.stage() is None:
        raise UserError(
            f"there is no trained network of task {stage.name} in {run}: give the --initial_run of "
            "a run that has finished its first stage"
        )
    RunFolder(run).check_training_version()
    other = read_run_config(run / "config.gin", experiment.imports)
    theirs, ours = other.scenario.tasks[0], experiment.scenario.tasks[0]
    if (theirs, other.recipe) != (ours, experiment.recipe):
        what = "task" if theirs != ours else "recipe (epochs, seed and the like)"
        raise UserError(
            f"the initial run {run} has another {what}: leave --initial_run out, or name a run "
            "with the same"
        )
    network = folder.load_model()
    known = network.tasks[0]
    shapes = [
        (net.backbone, net.table, net.partition, maps, task.image_shape, task.num_classes)
        for net, maps, task in ((network, network.map_size, known), (stage, map_size, info))
    ]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"the initial run {run} has another shape: {_shape_text(*shapes[0])}, but "
            f"{experiment.method.title} starts from {_shape_text(*shapes[1])}"
        )


def initial_stage_folder(initial_run, stage: Stage) -> RunFolder:
    """The folder of a stage in an initial run."""
    return RunFolder(pathlib.Path(initial_run) / stage.name)


def copy_first_stage(initial_run, folder: RunFolder, name: str) -> None:
    """Copies a finished stage of another run, so that the new run is complete by itself.

    Args:
        initial_run: folder of the other run.
        folder: the stage's folder in the new run; left alone if the stage is there already.
        name: of the stage.

    Raises:
        UserError: if a file cannot be copied. The stage's folder is then as it was.
    """
    if folder.stage() is None:
        with atomic_folder(folder.path) as new:
            ignored = shutil.ignore_patterns("checkpoints", "export", ".*")
            old = pathlib.Path(initial_run) / name
            try:
                shutil.copytree(old, new, ignore=ignored, dirs_exist_ok=True)
            except shutil.Error as error:  # which gathers those of all files
                [(_, _, reason), *_] = error.args[0]
                raise UserError(f"cannot copy {old} to {folder.path}: {reason}") from None


def _shape_text(backbone, table, partition, map_size, image_shape, num_classes) -> str:
    units = table.units(1, table.num_levels)
    return (
        f"{backbone.name} with units {units} of {partition.num_units}, images of "
        f"{image_shape[0]} pixels on maps of {map_size} and {num_classes} classes"
    )
