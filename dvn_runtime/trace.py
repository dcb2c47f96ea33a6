"""Records memory and accuracy of a predictor while its budget changes."""

import dataclasses
import os
import threading
import time
from collections.abc import Sequence

import numpy as np

from dvn_runtime.budget import BYTES, parse_budget
from dvn_runtime.errors import UserError
from dvn_runtime.network import import_litert
from dvn_runtime.predictor import BudgetedPredictor
from dvn_runtime.process import resident_memory


@dataclasses.dataclass(frozen=True)
class Moment:
    """One row of a record.

    Attributes:
        seconds: time since the record began.
        budget: the budget in bytes; None is no limit.
        file_bytes: size of the files of the loaded networks.
        resident_bytes: growth of the process's resident memory since before the first network.
        accuracy: {task: accuracy of its loaded network}.
        predictions: the number of images classified since the record began.
        predicted_bytes: what `resident_bytes` should be by the plan; None if it does not say.
    """

    seconds: float
    budget: int | None
    file_bytes: int
    resident_bytes: int
    accuracy: dict[str, float]
    predictions: int
    predicted_bytes: int | None = None


def record_budgets(
    export_dir: str | os.PathLike,
    budgets: Sequence[str | int],
    seconds: float = 2.0,
    interval: float = 0.05,
    resident: bool = False,
    **options,
) -> list[Moment]:
    """Applies budgets to a predictor one after another, while a thread keeps predicting.

    Args:
        export_dir: the export folder.
        budgets: budgets in bytes, in the forms that `BudgetedPredictor` takes.
        seconds: the time to keep each budget, once its networks are loaded.
        interval: the time between two moments, in seconds.
        resident: whether the budgets limit resident memory, and not the bytes of files.
        **options: further arguments of `BudgetedPredictor`.

    Returns:
        The moments in order of time.

    Raises:
        UserError: if the folder or a budget cannot be used.
    """
    if not budgets or any(parse_budget(budget).measure != BYTES for budget in budgets):
        raise UserError("a record of memory needs budgets, in bytes: give some such as 8MB,4MB")
    import_litert()  # its own memory is not that of a network
    base = resident_memory()
    measure = "resident" if resident else "budget"
    with BudgetedPredictor(export_dir, **{measure: budgets[0]}, **options) as predictor:
        load = _Load(predictor)
        moments, started = [], time.monotonic()
        for budget in budgets:
            predictor.set_budget(**{measure: budget})
            # Counted from now on: a change may take longer than the budget is kept.
            until = time.monotonic() + seconds
            while True:
                plan = predictor.plan()
                moments.append(
                    Moment(
                        seconds=round(time.monotonic() - started, 3),
                        budget=plan.budget.limit,
                        file_bytes=plan.bytes,
                        resident_bytes=resident_memory() - base,
                        accuracy={task: n.accuracy for task, n in plan.networks.items()},
                        predictions=load.predictions,
                        predicted_bytes=plan.resident,
                    )
                )
                if time.monotonic() >= until:
                    break
                time.sleep(interval)
        load.stop()
    return moments


class _Load:
    """A thread that classifies a grey image of each task in turn until it is stopped."""

    def __init__(self, predictor: BudgetedPredictor):
        self.predictions = 0
        self._predictor = predictor
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread, and raises the error that ended it, if any."""
        self._stopped.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                for task in self._predictor.plan().networks:
                    shape = self._predictor.task(task).image_shape
                    self._predict(task, np.full(shape, 128, np.uint8))
        except Exception as error:
            self._error = error

    def _predict(self, task: str, image: np.ndarray) -> None:
        try:
            self._predictor.predict(task, image)
        except UserError:  # the one to expect: the task has just been left out
            if task in self._predictor.plan().networks:
                raise
        else:
            self.predictions += 1
