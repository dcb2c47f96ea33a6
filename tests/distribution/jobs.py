"""Jobs of several real processes on the loopback interface."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
_SECONDS = 300

# A network that compiles fast, and epochs of three steps. At this rate, rounding errors do not grow
# so much within some steps that they hide what is compared.
SMALL = (
    "--gin_file=gin/quickstart.gin",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=Recipe.batch_size = 360",
    "--gin_param=Recipe.learning_rate = 0.001",
)


class Job:
    """Processes of `experiments.joint` that train one run together.

    Args:
        folder: where they run; their output lies in `<index>.out` and `<index>.err`.
        count: how many; one is by itself.
        arguments: of the program, after `SMALL`.
        own: {index: further arguments of one process}.
        module: the program.
        variables: environment variables.
    """

    def __init__(
        self, folder, count, *arguments, own=None, module="experiments.joint", **variables
    ):
        self.folder = pathlib.Path(folder)
        self.count = count
        self.folder.mkdir(exist_ok=True)
        address = f"127.0.0.1:{free_port()}"
        self.processes = []
        for index in range(count):
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "KERAS_BACKEND": "jax",
                "JAX_PLATFORMS": "cpu",
                "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles in half the time
                "JAX_COMPILATION_CACHE_DIR": str(self.folder.parent / "compiled"),
                **variables,
            }
            if count > 1:
                environment |= {
                    "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                    "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
                    "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
                }
            command = [
                sys.executable,
                "-m",
                module,
                *SMALL,
                *arguments,
                *(own or {}).get(index, ()),
            ]
            with (
                open(self.folder / f"{index}.out", "w") as out,
                open(self.folder / f"{index}.err", "w") as err,
            ):
                self.processes.append(
                    subprocess.Popen(
                        command, cwd=self.folder, env=environment, stdout=out, stderr=err
                    )
                )

    def output(self, index: int) -> str:
        return (self.folder / f"{index}.out").read_text()

    def errors(self, index: int) -> str:
        return (self.folder / f"{index}.err").read_text()

    def wait_for(self, pattern: str) -> None:
        """Waits until the first process has printed something."""
        deadline = time.monotonic() + _SECONDS
        while not re.search(pattern, self.output(0)):
            if time.monotonic() > deadline or any(p.poll() for p in self.processes):
                self.end()
                raise AssertionError([self.output(0), *map(self.errors, range(self.count))])
            time.sleep(0.02)

    def kill(self, index: int) -> None:
        self.processes[index].send_signal(signal.SIGKILL)

    def wait(self, seconds: float = _SECONDS) -> list[int]:
        """Waits for all processes. Returns their exit statuses."""
        deadline = time.monotonic() + seconds
        try:
            return [p.wait(max(0.1, deadline - time.monotonic())) for p in self.processes]
        finally:
            self.end()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
