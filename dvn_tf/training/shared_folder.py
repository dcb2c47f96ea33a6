"""The run folder of several processes: the first one writes, the others read what it wrote."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import keras
import numpy as np

from dvn_tf.distribution import Processes
from dvn_tf.errors import UserError
from dvn_tf.training.checkpoints import Reached
from dvn_tf.training.run_folder import RunFolder

T = TypeVar("T")

_SEEN_AFTER = 90.0  # seconds; NFS may keep an old list of a folder for 60


class SharedRunFolder(RunFolder):
    """A run folder on a file system that the machines of all processes share.

    All processes call the same methods in the same order. What decides how the run goes on is read
    by the first process alone and told to the others.

    Args:
        path: the folder.
        processes: the processes.

    Raises:
        UserError: by all methods that write, in a process that does not see what was written.
    """

    def __init__(self, path, processes: Processes):
        super().__init__(path)
        self.processes = processes

    @property
    def writes(self) -> bool:
        return self.processes.is_first

    def inside(self, name: str) -> "SharedRunFolder":
        return SharedRunFolder(self.path / name, self.processes)

    def is_claimed(self) -> bool:
        return self.processes.first("claimed", super().is_claimed)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return super().lock() if self.writes else contextlib.nullcontext()

    def claim(self, config: str) -> None:
        claim = super().claim
        self._write("config.gin", lambda: claim(config))

    def save_checkpoint(self, network: keras.Model, reached: Reached) -> None:
        if self.writes:
            super().save_checkpoint(network, reached)

    def restore(self, network: keras.Model) -> Reached:
        def newest():
            self._checkpoints().set_damaged_aside(network)
            return self.last_checkpoint()

        if found := self.processes.first("checkpoint", newest):
            self._wait(lambda: self.last_checkpoint() == tuple(found), "the last checkpoint")
        # All at the same time: JAX compares what is put on the devices of several processes.
        reached = super().restore(network)
        self.processes.agree({"last checkpoint": f"epoch {reached.epochs}, step {reached.step}"})
        return reached

    def write_history(self, history: list[dict]) -> None:
        if self.writes:
            super().write_history(history)

    def save_model(self, network: keras.Model) -> str:
        save = super().save_model
        return self._write("model.keras", lambda: save(network))

    def finished(self) -> dict | None:
        return self.processes.first("finished", super().finished)

    def stage(self) -> dict | None:
        return self.processes.first("stage", super().stage)

    def write_stage(self, record: dict) -> None:
        write = super().write_stage
        self._write("stage.json", lambda: write(record))

    def write_results(self, results: dict, correct: Mapping[str, np.ndarray]) -> None:
        write = super().write_results
        self._write("results.json", lambda: write(results, correct))

    def _write(self, name: str, write: Callable[[], T]) -> T:
        """Lets the first process write a file, and waits until this one sees it."""
        result = self.processes.first(name, write)
        self._wait((self.path / name).exists, name)
        return result

    def _wait(self, is_seen: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SEEN_AFTER
        while not is_seen():
            if time.monotonic() > deadline:
                raise UserError(
                    f"process {self.processes.index} of {self.processes.count} does not see {what} "
                    f"in {self.path}, which process 0 wrote: put --run_dir or --runs_dir on a file "
                    "system that all machines share"
                )
            with contextlib.suppress(OSError):
                os.listdir(self.path)  # network file systems then look again
            time.sleep(0.2)
