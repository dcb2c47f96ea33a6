"""What an export starts from: virtual networks, images of their tasks, the export folder."""

import os
import pathlib
from collections.abc import Iterable

from dvn_tf.data import TaskData, load
from dvn_tf.errors import UserError
from dvn_tf.export.manifest import Manifest
from dvn_tf.files import clear_partial
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training.run_folder import RunFolder


def choose_networks(network: DeepVirtualNetwork, task: str | None, level: int | None) -> list[str]:
    """The outputs of a task, of a level, or all, in the network's order.

    Raises:
        UserError: if the network has no such task or level.
    """
    tasks = [info.name for info in network.tasks]
    if task not in (None, *tasks):
        raise UserError(f"there is no task {task!r}: the run has {', '.join(tasks)}")
    levels = network.table.num_levels
    if level is not None and not 1 <= level <= levels:
        raise UserError(f"there is no level {level}: the run has levels 1 to {levels}")
    return [
        name
        for name, (info, number, _) in network.virtual_networks.items()
        if task in (None, info.name) and level in (None, number)
    ]


def choose_bundle(network: DeepVirtualNetwork, names: Iterable[str]) -> list[str]:
    """The outputs of a list such as ["cifar10/level1", "cifar100/level2"], or of ["all"].

    Raises:
        UserError: if the network has no such output.
    """
    names, outputs = set(names), list(network.virtual_networks)
    if names == {"all"}:
        return outputs
    unknown = sorted(names - set(outputs))
    if unknown or not names:
        raise UserError(
            f"there is no virtual network {(unknown or [''])[0]!r} to bundle: name some of "
            f"{', '.join(outputs)}, or 'all'"
        )
    return [name for name in outputs if name in names]


def open_manifest(folder: RunFolder, network: DeepVirtualNetwork, export_dir=None) -> Manifest:
    """Makes the export folder if absent, and opens its manifest.

    Args:
        folder: the run.
        network: its network.
        export_dir: the export folder; None is <run>/export.

    Raises:
        UserError: if the folder cannot be written to, or holds the export of another run.
    """
    path = pathlib.Path(export_dir) if export_dir else folder.path / "export"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the export folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to the export folder {path}: choose another --export_dir")
    clear_partial(path)
    results = folder.results() or folder.stage() or {}
    return Manifest(
        path,
        {
            "scenario": results.get("scenario", folder.path.name),
            "method": results.get("method", "dvn"),
            "seed": results.get("seed", 0),
            "backbone": network.backbone.name,
            "tasks": {
                task.name: {
                    "image_shape": task.image_shape,
                    "mean": task.mean,
                    "std": task.std,
                    "num_classes": task.num_classes,
                    "class_names": task.class_names,
                }
                for task in network.tasks
            },
        },
    )


def load_images(
    folder: RunFolder, tasks: Iterable[str], data_dir=None, required: bool = False
) -> dict[str, TaskData]:
    """Loads the images of some tasks of a run, as its config.gin names them.

    Args:
        folder: the run.
        tasks: names of the tasks.
        data_dir: the folder of TFDS; None is TFDS's own.
        required: whether it is an error if they cannot be had; else that is only said.

    Returns:
        {task: its images}; empty where they cannot be had.

    Raises:
        UserError: if they are required and cannot be had.
    """
    # Imported here: who exports a network of the library's own needs no gin.
    from dvn_tf.training import configuration

    tasks = set(tasks)
    try:
        scenario, _, _ = configuration.read_config([str(folder.path / "config.gin")])
        return {task.name: load(task, data_dir) for task in scenario.tasks if task.name in tasks}
    except UserError as error:
        if required:
            raise
        reason = " ".join(str(error).split())
        print(f"No accuracy is measured, since the images cannot be loaded: {reason}", flush=True)
        return {}
