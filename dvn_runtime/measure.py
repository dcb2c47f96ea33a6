"""Measures one network: its resident memory in a process of its own, and its latency.

`python -m dvn_runtime.measure` is that process; `measure_memory` starts it.
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

from dvn_runtime.errors import RefusedFileError, UserError, one_line
from dvn_runtime.manifest import ExportedNetwork, ExportedTask
from dvn_runtime.network import import_litert, open_network
from dvn_runtime.process import resident_memory, return_memory

_RUNS = 3  # before memory is read; it does not grow after the first
_WARM_UP = 2  # runs that are not timed


@dataclasses.dataclass(frozen=True)
class Memory:
    """The resident memory of a process that runs one network.

    Attributes:
        before: bytes after LiteRT is imported, before the network is loaded.
        network: bytes that the process has grown by once the network has run.
    """

    before: int
    network: int


def measure_memory(
    folder: pathlib.Path, network: ExportedNetwork, task: ExportedTask, **options
) -> Memory:
    """Runs a network in a process of its own, and measures the memory of that.

    Args:
        folder: the export folder.
        network: its entry in the manifest.
        task: its task.
        **options: as for `network.open_network`.

    Raises:
        RefusedFileError: if the file is missing, damaged, or another network.
        UserError: on other systems than Linux, or if the process crashes.
    """
    resident_memory()  # an error here is clearer than one of the other process
    question = {
        "folder": os.fspath(folder),
        "network": dataclasses.asdict(network) | {"memory": None},
        "task": dataclasses.asdict(task),
        "options": options,
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "dvn_runtime.measure"],
        input=json.dumps(question),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise RefusedFileError(f"{network.file}: running it crashed a process with {name}")
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        reason = one_line(done.stderr) or f"status {done.returncode}"
        raise UserError(f"cannot measure the memory of {network.file}: {reason}") from None
    if "refused" in answer:
        raise RefusedFileError(answer["refused"])
    if "error" in answer:
        raise UserError(answer["error"])
    return Memory(**answer)


def time_runs(
    folder: pathlib.Path, network: ExportedNetwork, task: ExportedTask, runs: int, **options
) -> list[float]:
    """Loads a network and times how long it takes to classify.

    Args:
        folder: the export folder.
        network: its entry in the manifest.
        task: its task.
        runs: how often.
        **options: as for `network.open_network`; `batch_size` images are classified in a run.

    Returns:
        The seconds of each run.

    Raises:
        RefusedFileError: if the file is missing, damaged, or another network.
    """
    loaded = open_network(folder, network, task, **options)
    try:
        images = _images(task, options.get("batch_size", 1))
        for _ in range(_WARM_UP):
            loaded.predict(images)
        seconds = []
        for _ in range(runs):
            started = time.perf_counter()
            loaded.predict(images)
            seconds.append(time.perf_counter() - started)
    finally:
        loaded.close()
    return seconds


def _images(task: ExportedTask, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *task.image_shape), np.uint8)


def _answer(question: dict) -> dict:
    """What the process of its own prints."""
    network = ExportedNetwork(**question["network"])
    task = dict(question["task"])
    task |= {name: tuple(task[name]) for name in ("image_shape", "class_names")}
    task = ExportedTask(**task)
    options = question["options"]
    import_litert()
    images = _images(task, options.get("batch_size", 1))
    return_memory()
    before = resident_memory()
    try:
        loaded = open_network(pathlib.Path(question["folder"]), network, task, **options)
        for _ in range(_RUNS):
            loaded.predict(images)
    except RefusedFileError as error:
        return {"refused": str(error)}
    except UserError as error:
        return {"error": str(error)}
    return dataclasses.asdict(Memory(before, resident_memory() - before))


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin))))
