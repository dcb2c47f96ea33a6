"""Predictions for several tasks under one memory budget, which may change at any time."""

import numbers
import os
import threading
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from dvn_runtime.budget import PARAMETERS, Budget, parse_budget
from dvn_runtime.errors import RefusedFileError, UserError, shown
from dvn_runtime.images import check_images
from dvn_runtime.manifest import (
    SUPPORTED_FORMATS,
    ExportedNetwork,
    ExportedTask,
    Manifest,
    read_manifest,
)
from dvn_runtime.network import open_network
from dvn_runtime.plan import Plan
from dvn_runtime.planner import Option, choose_levels, task_names
from dvn_runtime.pool import NetworkPool
from dvn_runtime.signature import Key

_MOST_THREADS = 128


class BudgetedPredictor:
    """Classifies images of several tasks with the best networks that fit a memory budget.

    One network is loaded for each task. The planner chooses its level, so that the weighted sum
    of the tasks' measured accuracies is as high as the budget allows. The budget limits the
    total size of the loaded files (or their parameters, if it is given in parameters). Not
    counted are LiteRT's working memory, mainly feature maps, and the second copy of the weights
    that `pack_weights` makes.

    All methods may be called from several threads. A file that is missing, damaged or exchanged
    is refused with a warning, and another level is loaded in its place. If none is left that
    fits, the task is left out.

    Args:
        export_dir: a folder with `manifest.json`, as `experiments.export` writes it.
        budget: "8MB", "500kB", "2MiB", a number of bytes, or "1.5M params"; None is no limit.
        format: "litert", or "litert_int8" for the quantized networks.
        weights: {task: weight of its accuracy}; the weight of other tasks is 1.
        minimum_accuracy: {task: the least accuracy to accept}, or one number for all tasks.
        optional: tasks that may be left out to spend the budget on others.
        tasks: the tasks to load networks for; None is all tasks in the folder.
        num_threads: CPU threads of a prediction.
        pack_weights: runs the networks with XNNPACK, which keeps a second, rearranged copy of
            the weights: resident memory was measured at about twice the file size, and speed
            at 2.7 times that of LiteRT's built-in kernels, which run without a copy.
        key: the public key that must have signed the export: a PEM file, or the key's bytes.
            None checks no signature; see "Exports from strangers" in the guide.

    Raises:
        UserError: if the export folder cannot be used, is not signed by the key, or the budget
            is too small.

    Example:
        >>> with BudgetedPredictor("export", budget="8MB") as predictor:
        ...     probabilities = predictor.predict("cifar10", images)  # (n, 10)
        ...     predictor.set_budget("4MB")
    """

    def __init__(
        self,
        export_dir: str | os.PathLike,
        budget: str | int | None = None,
        format: str = "litert",
        weights: Mapping[str, float] | None = None,
        minimum_accuracy: Mapping[str, float] | float | None = None,
        optional: Collection[str] = (),
        tasks: Collection[str] | None = None,
        num_threads: int = 1,
        pack_weights: bool = True,
        key: Key | None = None,
    ):
        whole = isinstance(num_threads, numbers.Integral) and not isinstance(num_threads, bool)
        if not whole or not 1 <= num_threads <= _MOST_THREADS:
            raise UserError(
                f"num_threads must be a whole number from 1 to {_MOST_THREADS}, "
                f"not {shown(num_threads)}"
            )
        if not isinstance(pack_weights, bool | np.bool_):
            raise UserError(f"pack_weights must be True or False, not {shown(pack_weights)}")
        num_threads, pack_weights = int(num_threads), bool(pack_weights)
        self._manifest = read_manifest(export_dir, key)
        self._networks = _usable_networks(self._manifest, format, tasks)
        served = {network.task for network in self._networks}
        self._tasks = {name: t for name, t in self._manifest.tasks.items() if name in served}
        self._weights = weights
        self._minimum_accuracy = minimum_accuracy
        self._optional = task_names(optional, "optional")
        # Replaced, never mutated: other threads may be reading it. A refused file stays refused,
        # so that not every change of the budget hashes it and warns of it again.
        self._refused: dict[ExportedNetwork, str] = {}
        self._budget = Budget(None)
        self._change_lock = threading.Lock()
        self._pool = NetworkPool(
            lambda network: open_network(
                self._manifest.folder,
                network,
                self._tasks[network.task],
                num_threads=num_threads,
                pack_weights=pack_weights,
            )
        )
        self._warn(self._change_budget(parse_budget(budget)))

    def predict(self, task: str, images: np.typing.ArrayLike) -> np.ndarray:
        """Classifies images with the network of a task that is loaded now.

        One network answers all images of a call, even if the budget changes meanwhile.

        Args:
            task: name of the task.
            images: one image (height, width, channels) or a batch (n, height, width, channels),
                uint8 or floats, pixels 0..255.

        Returns:
            Probabilities, float32, (n, classes).

        Raises:
            UserError: if the task is unknown or left out, or the networks cannot take the images.
        """
        images = check_images(images, self.task(task))
        while True:
            with self._pool.borrow(task) as network:
                if network is None:
                    reasons = [why for other, why in self._refused.items() if other.task == task]
                    reasons = reasons or [f"it is optional, and the budget is {self._budget}"]
                    raise UserError(f"task {task!r} is left out: {'; '.join(reasons)}")
                try:
                    return network.predict(images)
                except RefusedFileError as error:
                    refused, reason = network.network, str(error)
            self._warn(self._refuse(refused, reason))  # another level takes its place

    def set_budget(self, budget: str | int | Budget | None) -> None:
        """Loads and frees networks to fit a new budget; returns when that is done.

        Running predictions finish with the networks that they started with, and this method
        waits for them if it needs their memory. New predictions use the new networks.

        Args:
            budget: the new budget, as for the class.

        Raises:
            UserError: if the budget is too small; the message gives the smallest that suffices,
                and the loaded networks stay.
        """
        self._warn(self._change_budget(parse_budget(budget)))

    def plan(self) -> Plan:
        """Which networks are loaded now."""
        serving = self._pool.serving()
        return Plan(
            budget=self._budget,
            networks={task: serving[task] for task in self._tasks if task in serving},
            left_out=tuple(task for task in self._tasks if task not in serving),
            refused={refused.file: why for refused, why in self._refused.items()},
        )

    def task(self, name: str) -> ExportedTask:
        """Image shape, number of classes and class names of a task.

        Raises:
            UserError: if there is no such task.
        """
        if not isinstance(name, str) or name not in self._tasks:
            raise UserError(f"unknown task {shown(name)}; there are {', '.join(self._tasks)}")
        return self._tasks[name]

    def classes(self, task: str) -> tuple[str, ...]:
        """The class names of a task in the order of the probabilities, or "class 0" and so on.

        Raises:
            UserError: if there is no such task.
        """
        info = self.task(task)
        return info.class_names or tuple(f"class {label}" for label in range(info.num_classes))

    def close(self) -> None:
        """Frees all networks after running predictions are done; later ones fail."""
        with self._change_lock:
            self._pool.close()

    def __enter__(self) -> "BudgetedPredictor":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _change_budget(self, budget: Budget) -> list[str]:
        """Loads and frees networks to fit a budget; returns why files were refused."""
        with self._change_lock:
            return self._load_for(budget)

    def _load_for(self, budget: Budget) -> list[str]:
        """As `_change_budget`, for a thread that holds the lock."""
        cost = _parameters if budget.measure == PARAMETERS else _bytes
        reasons = []
        wanted = self._choose(budget, cost)
        with self._pool.changing():
            self._budget = budget
            while errors := self._pool.change_to(wanted, budget.limit, cost):
                refused = {wanted[task]: str(error) for task, error in errors.items()}
                self._refused = {**self._refused, **refused}
                reasons += refused.values()
                wanted = self._choose(budget, cost)
        return reasons

    def _refuse(self, network: ExportedNetwork, reason: str) -> list[str]:
        """Refuses a network that cannot run, and loads another; returns why files were refused."""
        with self._change_lock:
            if network in self._refused:  # by another thread meanwhile
                return []
            self._refused = {**self._refused, network: reason}
            return [reason, *self._load_for(self._budget)]

    def _warn(self, reasons: list[str]) -> None:
        for reason in reasons:
            warnings.warn(f"refused {reason}", stacklevel=3)

    def _choose(self, budget: Budget, cost) -> dict[str, ExportedNetwork]:
        """{task: the network to load}, chosen from those that were not refused."""
        networks = {(n.task, n.level): n for n in self._networks if n not in self._refused}
        options = [Option(n.task, n.level, cost(n), n.accuracy) for n in networks.values()]

        def choose(optional):
            return choose_levels(
                options,
                budget.limit,
                weights=self._weights,
                minimum_accuracy=self._minimum_accuracy,
                optional=optional,
                measure=budget.measure,
                known_tasks=self._tasks,
            )

        try:
            chosen = choose(self._optional)
        except UserError:
            if not self._refused:
                raise
            # A task that lost a file may no longer fit: leave it out rather than fail.
            chosen = choose({*self._optional, *(refused.task for refused in self._refused)})
        return {task: networks[task, option.level] for task, option in chosen.items()}


def _bytes(network: ExportedNetwork) -> int:
    return network.bytes


def _parameters(network: ExportedNetwork) -> int:
    return network.parameters


def _usable_networks(
    manifest: Manifest, format: str, tasks: Collection[str] | None
) -> list[ExportedNetwork]:
    """The networks in a format of some tasks, all of which must have a measured accuracy."""
    if not isinstance(format, str) or format not in SUPPORTED_FORMATS:
        known = ", ".join(SUPPORTED_FORMATS)
        raise UserError(f"format must be one of {known}, not {shown(format)}")
    of_format = [network for network in manifest.networks if network.format == format]
    served = dict.fromkeys(network.task for network in of_format)
    if not served:
        raise UserError(
            f"{manifest.folder} holds no {format} networks: export with --format={format}"
        )
    if tasks is not None:
        tasks = task_names(tasks, "tasks")
    for task in served if tasks is None else tasks:
        if task not in served:
            raise UserError(f"no {format} network of task {task!r}; there are {', '.join(served)}")
    networks = [network for network in of_format if tasks is None or network.task in tasks]
    for network in networks:
        if network.accuracy is None:
            raise UserError(
                f"the accuracy of {network.file} was not measured, so levels cannot be compared: "
                "export again where the test images can be loaded (--data_dir)"
            )
    return networks
