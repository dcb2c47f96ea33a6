"""Records memory and accuracy while the budget of a running predictor changes."""

import dataclasses
import os
import threading
import time
from collections.abc import Sequence

import numpy as np

from dvn_runtime.budget import BYTES, parse_budget
from dvn_runtime.errors import UserError
from dvn_runtime.predictor import BudgetedPredictor

_STATM = "/proc/self/statm"


@dataclasses.dataclass(frozen=True)
class Moment:
    """One row of a record.

    Attributes:
        seconds: since the record began.
        budget: in force, in bytes; None is no limit.
        file_bytes: size of the files of the loaded networks.
        resident_bytes: resident memory of the process above what it was without networks.
        accuracy: of each task's loaded network; tasks without one are absent.
        predictions: images classified since the record began.
    """

    seconds: float
    budget: int | None
    file_bytes: int
    resident_bytes: int
    accuracy: dict[str, float]
    predictions: int


def resident_memory() -> int:
    """The resident memory of this process in bytes.

    Raises:
        UserError: where there is no Linux to ask.
    """
    try:
        with open(_STATM, encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        raise UserError(f"resident memory is read from {_STATM}, which only Linux has") from None
    return pages * os.sysconf("SC_PAGE_SIZE")


def record_budgets(
    export_dir: str | os.PathLike,
    budgets: Sequence[str | int],
    seconds: float = 2.0,
    interval: float = 0.05,
    **options,
) -> list[Moment]:
    """Runs a predictor through some budgets while another thread predicts without a pause.

    Args:
        export_dir: as for `BudgetedPredictor`.
        budgets: in bytes, one after the other.
        seconds: that each budget holds.
        interval: seconds between two moments of the record.
        **options: for `BudgetedPredictor`.

    Returns:
        The moments, by time.

    Raises:
        UserError: if the folder or a budget cannot be used.
    """
    if not budgets or any(parse_budget(budget).measure != BYTES for budget in budgets):
        raise UserError("a record of memory needs budgets, in bytes")
    base = resident_memory()
    with BudgetedPredictor(export_dir, budgets[0], **options) as predictor:
        load = _Load(predictor)
        moments, started = [], time.monotonic()
        for position, budget in enumerate(budgets):
            predictor.set_budget(budget)
            while time.monotonic() - started < (position + 1) * seconds:
                plan = predictor.plan()
                moments.append(
                    Moment(
                        seconds=round(time.monotonic() - started, 3),
                        budget=plan.budget.limit,
                        file_bytes=plan.bytes,
                        resident_bytes=resident_memory() - base,
                        accuracy={task: n.accuracy for task, n in plan.networks.items()},
                        predictions=load.predictions,
                    )
                )
                time.sleep(interval)
        load.stop()
    return moments


class _Load:
    """A thread that classifies grey images of every served task in turn, until stopped."""

    def __init__(self, predictor: BudgetedPredictor):
        self.predictions = 0
        self._predictor = predictor
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread, and raises the error that it met, if any."""
        self._stopped.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                # A task that the plan leaves out meanwhile is the one error to expect.
                for task in self._predictor.plan().networks:
                    shape = self._predictor.task(task).image_shape
                    self._predict(task, np.full(shape, 128, np.uint8))
        except Exception as error:
            self._error = error

    def _predict(self, task: str, image: np.ndarray) -> None:
        try:
            self._predictor.predict(task, image)
        except UserError:
            if task in self._predictor.plan().networks:
                raise
        else:
            self.predictions += 1
