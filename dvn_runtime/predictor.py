"""Predictions for several tasks under one memory budget, which may change at any time."""

import os
import threading
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from dvn_runtime.board import read_board
from dvn_runtime.budget import RESIDENT, Budget, parse_budgets
from dvn_runtime.chooser import Costs, Wishes, choose_networks, usable_networks
from dvn_runtime.errors import RefusedFileError, UserError, shown
from dvn_runtime.images import check_images
from dvn_runtime.manifest import ExportedNetwork, ExportedTask, read_manifest
from dvn_runtime.network import LoadedNetwork, checked_threads, estimate_memory, open_network
from dvn_runtime.plan import Choice, Plan
from dvn_runtime.planner import task_names
from dvn_runtime.pool import NetworkPool
from dvn_runtime.resident import FIXED, fixed_memory
from dvn_runtime.signature import Key


class BudgetedPredictor:
    """Classifies images of several tasks with the best networks that fit a memory budget.

    One network is loaded for each task. The planner chooses its level, so that the weighted sum
    of the tasks' measured accuracies is as high as the budget allows.

    `resident` limits the memory that the networks add to the process: the files, the second copy
    of the weights that XNNPACK packs, feature maps, and what LiteRT itself keeps. It is what the
    process holds while it classifies, less what it held before the first network was loaded;
    with Python and the imported libraries that is some 40 MB. `budget` limits the total size of
    the loaded files instead, or their parameters.

    All methods may be called from several threads. A file that is missing, damaged or exchanged
    is refused with a warning, and another level is loaded in its place. If none is left that
    fits, the task is left out.

    Args:
        export_dir: a folder with `manifest.json`, as `experiments.export` writes it.
        budget: the most bytes of files, as "8MB", "500kB", "2MiB" or a number, or the most
            parameters, as "1.5M params"; None is no limit.
        format: "litert", or "litert_int8" for the quantized networks.
        weights: {task: weight of its accuracy}; the weight of other tasks is 1.
        minimum_accuracy: {task: the least accuracy to accept}, or one number for all tasks.
        optional: tasks that may be left out to spend the budget on others.
        tasks: the tasks to load networks for; None is all tasks in the folder.
        num_threads: CPU threads of a prediction, from 1 to 128.
        pack_weights: runs the networks with XNNPACK, which keeps a second, rearranged copy of
            the weights: resident memory was measured at about twice the file size, and speed
            at four times that of LiteRT's built-in kernels, which run without a copy. None lets
            the planner decide under `resident`, network by network: accuracy comes first, then
            speed. Under `budget`, None packs all networks.
        key: the public key that must have signed the export: a PEM file, or the key's bytes.
            None checks no signature; see "Exports from strangers" in the guide.
        resident: the most resident memory that the networks may add to the process, in bytes
            as for `budget`, instead of `budget`.
        board: what `python -m dvn_runtime.benchmark EXPORT --json=board.json` wrote on this
            board, so that `resident` counts what LiteRT's code takes here; None counts what was
            measured elsewhere.

    Raises:
        UserError: if the export folder cannot be used, is not signed by the key, the budget is
            too small, or both `budget` and `resident` are given.

    Example:
        >>> with BudgetedPredictor("export", resident="8MB") as predictor:
        ...     probabilities = predictor.predict("cifar10", images)  # (n, 10)
        ...     predictor.set_budget(resident="6MB")
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
        pack_weights: bool | None = None,
        key: Key | None = None,
        resident: str | int | None = None,
        board: str | os.PathLike | None = None,
    ):
        self._num_threads = checked_threads(num_threads)
        if not isinstance(pack_weights, bool | np.bool_ | None):
            raise UserError(f"pack_weights must be True, False or None, not {shown(pack_weights)}")
        first_budget = parse_budgets(budget, resident)
        self._format = format
        self._manifest = read_manifest(export_dir, key)
        self._networks = usable_networks(self._manifest, format, tasks)
        self._board = FIXED if board is None else read_board(board, format)
        served = {network.task for network in self._networks}
        self._tasks = {name: t for name, t in self._manifest.tasks.items() if name in served}
        self._wishes = Wishes(
            weights, minimum_accuracy, None if pack_weights is None else bool(pack_weights)
        )
        self._memory = {n: n.memory for n in self._networks if n.memory is not None}
        self._optional = task_names(optional, "optional")
        # Replaced, never mutated: other threads may be reading it. A refused file stays refused,
        # so that not every change of the budget hashes it and warns of it again.
        self._refused: dict[ExportedNetwork, str] = {}
        self._ways: set[bool] = set()  # how networks have run so far: packed, unpacked or both
        self._budget = Budget(None)
        self._change_lock = threading.Lock()
        self._pool = NetworkPool(self._load)
        self._warn(self._change_budget(first_budget))

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

    def set_budget(
        self, budget: str | int | Budget | None = None, resident: str | int | None = None
    ) -> None:
        """Loads and frees networks to fit a new budget; returns when that is done.

        Running predictions finish with the networks that they started with, and this method
        waits for them if it needs their memory. New predictions use the new networks.

        Args:
            budget: the new budget, as for the class.
            resident: the new budget of resident memory instead, as for the class.

        Raises:
            UserError: if the budget is too small; the message gives the smallest that suffices,
                and the loaded networks stay.
        """
        self._warn(self._change_budget(parse_budgets(budget, resident)))

    def plan(self) -> Plan:
        """Which networks are loaded now."""
        serving = self._pool.serving()
        serving = {task: serving[task] for task in self._tasks if task in serving}
        return Plan(
            budget=self._budget,
            networks={task: choice.network for task, choice in serving.items()},
            left_out=tuple(task for task in self._tasks if task not in serving),
            refused={refused.file: why for refused, why in self._refused.items()},
            packed=tuple(task for task, choice in serving.items() if choice.packed),
            resident=self._resident(serving.values()),
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

    def _load(self, choice: Choice) -> LoadedNetwork:
        self._ways = self._ways | {choice.packed}
        return open_network(
            self._manifest.folder,
            choice.network,
            self._tasks[choice.task],
            num_threads=self._num_threads,
            pack_weights=choice.packed,
        )

    def _change_budget(self, budget: Budget) -> list[str]:
        """Loads and frees networks to fit a budget; returns why files were refused."""
        with self._change_lock:
            return self._load_for(budget)

    def _load_for(self, budget: Budget) -> list[str]:
        """As `_change_budget`, for a thread that holds the lock."""
        reasons = self._learn_memory() if budget.measure == RESIDENT else []
        costs = Costs(
            budget, self._format, self._num_threads, self._memory, self._ways, self._board
        )
        wanted = self._choose(costs)
        with self._pool.changing():
            self._budget = budget
            limit = costs.limit(wanted.values())
            while errors := self._pool.change_to(wanted, limit, costs.of):
                refused = {wanted[task].network: str(error) for task, error in errors.items()}
                self._refused = {**self._refused, **refused}
                reasons += refused.values()
                wanted = self._choose(costs)
                limit = costs.limit(wanted.values())
        return reasons

    def _learn_memory(self) -> list[str]:
        """Reads the files of which an old export does not say what memory they take.

        Returns:
            Why files were refused.
        """
        refused = {}
        for network in self._networks:
            if network not in self._memory and network not in self._refused:
                try:
                    memory = estimate_memory(
                        self._manifest.folder, network, self._tasks[network.task]
                    )
                except RefusedFileError as error:
                    refused[network] = str(error)
                else:
                    self._memory = {**self._memory, network: memory}
        self._refused = {**self._refused, **refused}
        return list(refused.values())

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

    def _choose(self, costs: Costs) -> dict[str, Choice]:
        """{task: the network to load}, chosen from those that were not refused."""
        networks = [network for network in self._networks if network not in self._refused]

        def choose(optional):
            return choose_networks(networks, costs, self._wishes, optional, self._tasks)

        try:
            return choose(self._optional)
        except UserError:
            if not self._refused:
                raise
            # A task that lost a file may no longer fit: leave it out rather than fail.
            return choose({*self._optional, *(refused.task for refused in self._refused)})

    def _resident(self, choices: Collection[Choice]) -> int | None:
        """The resident memory that loaded networks add, or None if it is not known."""
        memory = self._memory
        if any(choice.network not in memory for choice in choices):
            return None
        own = [memory[c.network].resident(c.packed, self._num_threads) for c in choices]
        return fixed_memory(self._format, self._ways, self._board) + sum(own)
