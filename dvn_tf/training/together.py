"""What several processes need to train one run: they agree on it, and one of them writes."""

import contextlib
import importlib
import os
import zlib
from collections.abc import Iterator, Sequence

from dvn_tf.data import TaskData
from dvn_tf.distribution import Processes
from dvn_tf.distribution.devices import data_parallel
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.shared_folder import SharedRunFolder
from dvn_tf.training.stop_together import StopTogether
from dvn_tf.training.stopping import Stop

_PACKAGES = ("dvn_tf", "keras", "jax", "numpy", "tensorflow")


@contextlib.contextmanager
def training_together(
    processes: Processes, experiment: Experiment, folder: RunFolder, stop: Stop, devices: int | None
) -> Iterator[tuple[RunFolder, Stop]]:
    """Checks that all processes do the same run, and divides its batches among all devices.

    Only the first process prints.

    Args:
        processes: the processes, or the only one.
        experiment: what this one wants to train.
        folder: where.
        stop: see `dvn_tf.training.runs.run`.
        devices: see `data_parallel`.

    Yields:
        The folder and the stop to use.

    Raises:
        UserError: if the processes differ, or the batches cannot be divided.
    """
    with contextlib.ExitStack() as held:
        if processes.count > 1:
            processes.agree(_run(experiment, folder))
            folder, stop = SharedRunFolder(folder.path, processes), StopTogether(stop, processes)
        if not processes.is_first:
            nowhere = held.enter_context(open(os.devnull, "w", encoding="utf-8"))
            held.enter_context(contextlib.redirect_stdout(nowhere))
        held.enter_context(data_parallel(processes, experiment.recipe.batch_size, devices))
        yield folder, stop


def agree_on_data(processes: Processes, task_data: Sequence[TaskData]) -> None:
    """Checks that all processes have the same images.

    Args:
        processes: the processes.
        task_data: the images that this one has loaded.

    Raises:
        UserError: if a process has others.
    """
    processes.agree({f"dataset for task {data.task.name}": _content(data) for data in task_data})


def _run(experiment: Experiment, folder: RunFolder) -> dict[str, str | list[str]]:
    versions = {
        f"version of {name}": importlib.import_module(name).__version__ for name in _PACKAGES
    }
    configuration = experiment.config.splitlines()
    return {"run folder": str(folder), "configuration": configuration, **versions}


def _content(data: TaskData) -> str:
    """Number, order and statistics of a task's images."""
    mean, std = (
        [round(value, 3) for value in values] for values in (data.info.mean, data.info.std)
    )
    orders = [zlib.crc32(part.labels.tobytes()) for part in (data.train, data.test)]
    return f"{len(data.train)} and {len(data.test)} images, mean {mean}, std {std}, order {orders}"
