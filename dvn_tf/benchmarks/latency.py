"""Measures how fast each level of a task runs in each format.

All files are timed in turn in one loop, so that a change of the machine's speed affects all
alike. Ratios are taken round by round, and their median is quoted.
"""

import contextlib
import dataclasses
import io
import pathlib
import time
from collections.abc import Callable, Hashable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from dvn_runtime.process import processor_name
from dvn_tf.benchmarks.memory import peak_memory
from dvn_tf.errors import UserError
from dvn_tf.export.accuracy import calibration_images
from dvn_tf.export.formats import FORMATS, checked_formats, write_file
from dvn_tf.export.manifest import file_facts
from dvn_tf.export.slim import slim_network
from dvn_tf.machine import num_cores
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import output_name

DEFAULT_FORMATS = ("litert", "litert_int8", "onnx", "tf_saved_model")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A file to be timed.

    Attributes:
        level: its level.
        format: its format.
        by_keras: whether Keras exported it from the plain network of the same widths.
        path: the file.
        dtype: dtype of its input.
        image_shape: (height, width, channels).
    """

    level: int
    format: str
    by_keras: bool
    path: pathlib.Path
    dtype: str
    image_shape: tuple[int, int, int]


def set_threads(threads: int) -> None:
    """Sets the number of TensorFlow's CPU threads, before it computes anything.

    Raises:
        UserError: if TensorFlow has computed something already.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise UserError(
            "TensorFlow's threads cannot be set after it has computed something: set them first"
        ) from error


def measure_task(
    network: DeepVirtualNetwork,
    task: str,
    folder: pathlib.Path,
    images: np.ndarray,
    formats: Sequence[str] = DEFAULT_FORMATS,
    threads: int = 1,
    rounds: int = 50,
    batch_size: int = 32,
) -> dict:
    """Measures all levels of a task; call `set_threads` first.

    Args:
        network: the network.
        task: a task's name.
        folder: the folder to write the files to; they are kept.
        images: images of the task, uint8 of shape (n, height, width, channels), as inputs and
            to calibrate int8.
        formats: names of registered formats.
        threads: CPU threads of each runtime.
        rounds: how often each file is timed on one image; on a batch, a fifth of that.
        batch_size: the number of images in the batch.

    Returns:
        What was measured and on what machine, for JSON; "levels" is a list of one dict for each
        level.

    Raises:
        UserError: for an unknown task or format, or a missing package.
    """
    formats = checked_formats(formats)
    candidates = write_candidates(network, task, folder, images, formats)
    single = time_in_turn(_calls(candidates, images[:1], threads), rounds)
    batch = np.resize(images[:batch_size], (batch_size, *images.shape[1:]))
    batched = time_in_turn(_calls(candidates, batch, threads), max(3, rounds // 5))
    costs = network.costs()
    levels = []
    for level in range(1, network.table.num_levels + 1):
        name = output_name(task, level)
        cost = costs[name]
        levels.append(
            {
                "level": level,
                "units": list(network.virtual_networks[name][2]),
                "parameters": cost.parameters,
                "parameters_paper": cost.parameters_paper,
                "density": cost.density,
                "compression": 1 / cost.density,
                "multiply_adds": cost.multiply_adds,
                "runtimes": {
                    candidate.format: _figures(candidate, candidates, single, batched)
                    for candidate in candidates
                    if candidate.level == level and not candidate.by_keras
                },
            }
        )
    return {
        "task": task,
        "backbone": network.backbone.name,
        "image_shape": list(images.shape[1:]),
        "threads": threads,
        "rounds": rounds,
        "batch_size": batch_size,
        "machine": machine(),
        "levels": levels,
    }


def write_candidates(
    network: DeepVirtualNetwork,
    task: str,
    folder: pathlib.Path,
    images: np.ndarray,
    formats: Sequence[str],
) -> list[Candidate]:
    """Writes each level in each format, and as Keras itself exports it where it can."""
    candidates, shape = [], images.shape[1:]
    for level in range(1, network.table.num_levels + 1):
        slim, plain = slim_network(network, task, level), network.extract(task, level)
        for name in formats:
            form = FORMATS[name]
            path, dtype = folder / name / f"{slim.name}{form.suffix}", form.input_dtype
            write_file(name, slim, path, calibration_images(images))
            candidates.append(Candidate(level, name, False, path, dtype or slim.input_dtype, shape))
            if form.keras_export:
                path = folder / f"{name}_by_keras" / f"{slim.name}{form.suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.redirect_stdout(io.StringIO()):  # Keras lists every variable
                    plain.export(str(path), format=form.keras_export)
                candidates.append(Candidate(level, name, True, path, "float32", shape))
    return candidates


def time_in_turn(calls: Mapping[Hashable, Callable], rounds: int) -> dict[Hashable, np.ndarray]:
    """Times functions in turn, each time after a call that warms up.

    Args:
        calls: {key: function without arguments}.
        rounds: how often to time each function.

    Returns:
        {key: seconds, of shape (rounds,)}.
    """
    times = {key: np.empty(rounds) for key in calls}
    order = list(calls)
    for number in range(-2, rounds):  # two rounds to warm up
        for key in order:
            call = calls[key]
            call()
            start = time.perf_counter()
            call()
            elapsed = time.perf_counter() - start
            if number >= 0:
                times[key][number] = elapsed
        order.reverse()  # so that no function always follows the same other one
    return times


def machine() -> dict:
    """Processor, cores, and versions of TensorFlow and Keras."""
    return {
        "processor": processor_name(),
        "cores": num_cores(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def _calls(candidates, images: np.ndarray, threads: int) -> dict[Candidate, Callable]:
    calls = {}
    for candidate in candidates:
        run = FORMATS[candidate.format].open(candidate.path, threads)
        inputs = images.astype(candidate.dtype)
        calls[candidate] = lambda run=run, inputs=inputs: run(inputs)
    return calls


def _figures(candidate: Candidate, candidates, single, batched) -> dict:
    """What was measured of one of our files; times are quartiles in milliseconds."""
    others = [other for other in candidates if other.format == candidate.format]
    full = max((other for other in others if not other.by_keras), key=lambda other: other.level)
    by_keras = [other for other in others if other.by_keras and other.level == candidate.level]
    figures = {
        "bytes": file_facts(candidate.path)["bytes"],
        "memory": peak_memory(
            FORMATS[candidate.format], candidate.path, candidate.dtype, candidate.image_shape
        ),
    }
    for name, times in (("single", single), ("batch", batched)):
        figures[name] = {
            "milliseconds": np.percentile(times[candidate] * 1000, (25, 50, 75)).tolist(),
            "speed_up": _ratio(times[full], times[candidate]),
            "over_keras_export": _ratio(times[candidate], times[by_keras[0]]) if by_keras else None,
        }
    return figures


def _ratio(times, others) -> float:
    """The median over the rounds of times / others."""
    return float(np.median(times / others))
