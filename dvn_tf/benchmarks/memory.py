"""How much memory a process takes that runs one exported file and nothing else.

    python -m dvn_tf.benchmarks.memory litert FILE uint8 64,64,3

is such a process; `peak_memory` starts it.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

from dvn_tf.export.runners import RUNNERS

_RUNTIMES = {
    "keras": "keras",
    "tf_saved_model": "tensorflow",
    "litert": "ai_edge_litert.interpreter",
    "litert_int8": "ai_edge_litert.interpreter",
    "onnx": "onnxruntime",
}


def peak_memory(format_name: str, path: pathlib.Path, dtype: str, shape) -> dict | None:
    """Runs a file on one image in a process of its own.

    Args:
        format_name: the file's format.
        path: the file.
        dtype: of its input.
        shape: of one image.

    Returns:
        {"peak": bytes resident at most, "network": how many of them came after the runtime was
        imported}; None where the system does not tell (it does on Linux).
    """
    command = [sys.executable, "-m", __name__, format_name, str(path), dtype]
    command.append(",".join(map(str, shape)))
    # The child must find this package, installed or not.
    root = str(pathlib.Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main(format_name: str, path: str, dtype: str, shape: str) -> None:
    """Runs a file and prints what `peak_memory` returns."""
    importlib.import_module(_RUNTIMES[format_name])
    before = _status("VmRSS")
    run = RUNNERS[format_name](pathlib.Path(path), threads=1)
    image = np.zeros((1, *map(int, shape.split(","))), dtype)
    for _ in range(3):
        run(image)
    # Not getrusage's ru_maxrss: a child takes that over from the process that started it.
    peak = _status("VmHWM")
    print(json.dumps({"peak": peak, "network": peak - before}))


def _status(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
