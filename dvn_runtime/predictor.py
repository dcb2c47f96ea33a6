"""Predictions of several tasks under one memory budget that may change at any time."""

import os
import threading
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from dvn_runtime.budget import PARAMETERS, Budget, parse_budget
from dvn_runtime.errors import UserError
from dvn_runtime.images import check_images
from dvn_runtime.manifest import (
    LITERT_FORMATS,
    ExportedNetwork,
    ExportedTask,
    Manifest,
    read_manifest,
)
from dvn_runtime.network import load_network
from dvn_runtime.plan import Plan
from dvn_runtime.planner import Option, choose_levels
from dvn_runtime.pool import NetworkPool


class BudgetedPredictor:
    """Classifies images of several tasks with the best networks that a memory budget can hold.

    Of each task one network is loaded, of the level that the planner picks: the weighted sum of
    measured accuracies is greatest within the budget. What counts is the size of the networks'
    files (or their parameters, if the budget is in parameters). The interpreters' working
    memory, its feature maps above all, and with `pack_weights` a second copy of the weights come
    on top.

    All methods may be called from several threads. A file that is missing, damaged or swapped
    is refused with one warning; the planner then does without it, and its task is left out if
    it cannot be served otherwise.

    Args:
        export_dir: a folder with `manifest.json`, as `experiments.export` writes it.
        budget: "8MB", "500kB", "2MiB", bytes as a number, or "1.5M params"; None is no limit.
        format: "litert", or "litert_int8" for the quantized networks.
        weights: how much each task's accuracy counts; 1 for tasks that are not named.
        minimum_accuracy: the least accuracy of a task, or one number for all.
        optional: tasks that may be left out if the budget is better spent on others.
        tasks: those to serve; None is all that the folder holds networks of.
        num_threads: that one prediction may use.
        pack_weights: lets XNNPACK run the networks. It keeps a second, rearranged copy of the
            weights: measured, about twice the file size resident, and 2.7 times as fast.
            Without it the built-in kernels run on the bytes of the file alone.

    Raises:
        UserError: if the export folder cannot be used or the budget is too small.

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
    ):
        if num_threads < 1:
            raise UserError(f"num_threads must be at least 1, not {num_threads}")
        self._manifest = read_manifest(export_dir)
        self._networks = _usable_networks(self._manifest, format, tasks)
        served = {network.task for network in self._networks}
        self._tasks = {name: t for name, t in self._manifest.tasks.items() if name in served}
        self._weights = weights
        self._minimum_accuracy = minimum_accuracy
        self._optional = optional
        # Replaced, never changed: other threads may be reading it. A refused file stays refused,
        # or a budget that changes often would hash and warn of it again and again.
        self._refused: dict[ExportedNetwork, str] = {}
        self._budget = Budget(None)
        self._change_lock = threading.Lock()
        self._pool = NetworkPool(
            lambda network: load_network(
                self._manifest.folder,
                network,
                self._tasks[network.task],
                num_threads=num_threads,
                pack_weights=pack_weights,
            )
        )
        self._warn(self._change_budget(parse_budget(budget)))

    def predict(self, task: str, images) -> np.ndarray:
        """Classifies images with the network of a task that is loaded now.

        All images of one call are answered by one network, whatever happens to the budget.

        Args:
            task: the task.
            images: one image (height, width, channels) or a batch (n, height, width, channels),
                uint8 or floats, pixels 0..255.

        Returns:
            Probabilities, float32, (n, classes).

        Raises:
            UserError: if the task is unknown or left out, or the images do not fit it.
        """
        images = check_images(images, self.task(task))
        with self._pool.borrow(task) as network:
            if network is None:
                reasons = [why for refused, why in self._refused.items() if refused.task == task]
                reasons = reasons or [f"it is optional, and the budget is {self._budget}"]
                raise UserError(f"task {task!r} is left out: {'; '.join(reasons)}")
            return network.predict(images)

    def set_budget(self, budget: str | int | Budget | None) -> None:
        """Loads and frees networks to fit a new budget; returns when that is done.

        Predictions that run finish undisturbed on the networks they began with, and this waits
        for them where their memory is needed. New ones go to the new networks.

        Args:
            budget: as for the class.

        Raises:
            UserError: if the budget is too small, and then for which least budget would do; the
                networks stay as they were.
        """
        self._warn(self._change_budget(parse_budget(budget)))

    def plan(self) -> Plan:
        """What is loaded now."""
        serving = self._pool.serving()
        return Plan(
            budget=self._budget,
            networks={task: serving[task] for task in self._tasks if task in serving},
            left_out=tuple(task for task in self._tasks if task not in serving),
            refused={refused.file: why for refused, why in self._refused.items()},
        )

    def task(self, name: str) -> ExportedTask:
        """What the export folder says of a task.

        Raises:
            UserError: if there is no such task.
        """
        if name not in self._tasks:
            raise UserError(f"unknown task {name!r}; there are {', '.join(self._tasks)}")
        return self._tasks[name]

    def classes(self, task: str) -> tuple[str, ...]:
        """The names of a task's classes, in the order of the probabilities.

        Raises:
            UserError: if there is no such task.
        """
        info = self.task(task)
        return info.class_names or tuple(f"class {label}" for label in range(info.num_classes))

    def close(self) -> None:
        """Frees all networks, when the predictions that run are done."""
        with self._change_lock:
            self._pool.close()

    def __enter__(self) -> "BudgetedPredictor":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _change_budget(self, budget: Budget) -> list[str]:
        """Fits the networks to a budget; returns why files were refused on the way."""
        cost = _parameters if budget.measure == PARAMETERS else _bytes
        reasons = []
        with self._change_lock:
            wanted = self._choose(budget, cost)
            with self._pool.changing():
                self._budget = budget
                while errors := self._pool.change_to(wanted, budget.limit, cost):
                    refused = {wanted[task]: str(error) for task, error in errors.items()}
                    self._refused = {**self._refused, **refused}
                    reasons += refused.values()
                    wanted = self._choose(budget, cost)
        return reasons

    def _warn(self, reasons: list[str]) -> None:
        for reason in reasons:
            warnings.warn(f"refused {reason}", stacklevel=3)

    def _choose(self, budget: Budget, cost) -> dict[str, ExportedNetwork]:
        """The networks to load, without those that were refused."""
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
            # What a damaged file leaves of its task may not fit: the other tasks go on.
            chosen = choose({*self._optional, *(refused.task for refused in self._refused)})
        return {task: networks[task, option.level] for task, option in chosen.items()}


def _bytes(network: ExportedNetwork) -> int:
    return network.bytes


def _parameters(network: ExportedNetwork) -> int:
    return network.parameters


def _usable_networks(
    manifest: Manifest, format: str, tasks: Collection[str] | None
) -> list[ExportedNetwork]:
    """The networks that may be loaded. All must have been measured, or they cannot be weighed."""
    if format not in LITERT_FORMATS:
        raise UserError(f"format must be one of {', '.join(LITERT_FORMATS)}, not {format!r}")
    of_format = [network for network in manifest.networks if network.format == format]
    served = dict.fromkeys(network.task for network in of_format)
    if not served:
        raise UserError(
            f"{manifest.folder} holds no {format} network: export with --format={format}"
        )
    for task in served if tasks is None else tasks:
        if task not in served:
            raise UserError(f"no {format} network of task {task!r}; there are {', '.join(served)}")
    networks = [network for network in of_format if tasks is None or network.task in tasks]
    for network in networks:
        if network.accuracy is None:
            raise UserError(
                f"the accuracy of {network.file} was not measured, so levels cannot be weighed: "
                "export again with the test split at hand"
            )
    return networks
