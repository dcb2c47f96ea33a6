"""How much faster several processes train than one, each on a processor core of its own.

Both jobs do the same steps: they have the same network, and the same images in a whole batch.
They take turns, so that a change of the machine's speed meets both, and ratios are taken round by
round. A job that waits for its turn computes nothing.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from dvn_tf.errors import UserError

_STEP = "dvn_tf.benchmarks.scaled_step"
_STEP_LINE = re.compile(r"seconds (\d+\.\d+)\n")


def step_times(
    files: Sequence[str], params: Sequence[str], processes: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Times training steps.

    Args:
        files: gin files of a scenario.
        params: gin parameters.
        processes: how many processes share the batches of one of the two jobs.
        rounds: timed rounds, each one turn of both jobs.

    Returns:
        Seconds a step of one process, and of several, round by round.

    Raises:
        UserError: if there are fewer cores than processes, or a process fails.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < processes:
        raise UserError(
            f"{processes} processes need a core each, and there are {len(cores)}: lower --processes"
        )
    settings = json.dumps({"files": list(files), "params": list(params)})
    with _job(settings, cores[:1]) as alone, _job(settings, cores[:processes]) as together:
        times = [], []
        for number in range(-1, rounds):
            for job, found in zip((alone, together), times, strict=True):
                seconds = _turn(job)
                if number >= 0:
                    found.append(seconds)
    return times


def report(alone: Sequence[float], together: Sequence[float], processes: int) -> str:
    """The figures as text.

    Args:
        alone: seconds a step of one process, round by round.
        together: of several.
        processes: how many those are.
    """
    ratios = np.divide(alone, together)
    return f"""
step of 1 process on 1 core      {np.median(alone):8.3f} s   (median of {len(alone)} rounds)
step of {processes} processes on {processes} cores  {np.median(together):8.3f} s
scaling, median of the rounds    {np.median(ratios):8.2f}     \
({", ".join(f"{ratio:.2f}" for ratio in ratios)})"""


@contextlib.contextmanager
def _job(settings: str, cores: Sequence[int]) -> Iterator[list[subprocess.Popen]]:
    """The processes of a job, each pinned to a core and ready for its first turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    job = []
    try:
        for index, core in enumerate(cores):
            environment = {
                **os.environ,
                "KERAS_BACKEND": "jax",
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(cores)),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
            }
            job.append(
                subprocess.Popen(
                    [sys.executable, "-m", _STEP, settings, str(core)],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        _turn(job)  # it compiles the step
        yield job
    finally:
        for process in job:
            process.kill()
            process.wait()


def _turn(job: Sequence[subprocess.Popen]) -> float:
    """Lets a job do its steps, and returns the seconds of one."""
    for process in job:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("go\n")
            process.stdin.flush()
    seconds = []
    for process in job:
        line = process.stdout.readline()
        if not (match := _STEP_LINE.fullmatch(line)):
            process.kill()
            errors = process.stderr.read().strip().splitlines() or ["it said nothing"]
            raise UserError(f"a process of the measurement failed: {errors[-1]}")
        seconds.append(float(match[1]))
    return max(seconds)
