"""How much memory a process takes that runs one exported file and nothing else.

`peak_memory` executes this module by its path in a new process. There it imports a format's
module by its path, too: importing `dvn_tf` would bring in TensorFlow, whatever the format.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

_STATUS = pathlib.Path("/proc/self/status")


def peak_memory(form, path: pathlib.Path, dtype: str, shape) -> dict | None:
    """Runs a file on one image in a process of its own, on one CPU thread.

    Args:
        form: the file's `Format`.
        path: the file.
        dtype: dtype of its input.
        shape: shape of one image.

    Returns:
        {"peak": greatest resident memory in bytes, "network": the part of it above what the
        process took after importing the runtime}; None if it cannot be measured: on other
        systems than Linux, or for a format that was defined in an interactive session.
    """
    kind = type(form)
    module_file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if module_file is None:
        return None
    # -P: the folder of this module is no place to import from.
    command = [sys.executable, "-P", __file__, module_file, kind.__qualname__]
    command += [str(path), dtype, ",".join(map(str, shape))]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main(module_file: str, class_name: str, path: str, dtype: str, shape: str) -> None:
    """Runs a file and prints what `peak_memory` returns."""
    spec = importlib.util.spec_from_file_location("measured_format", module_file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    form = getattr(module, class_name)()
    importlib.import_module(form.runtime)
    before = _status("VmRSS")
    run = form.open(pathlib.Path(path), threads=1)
    image = np.zeros((1, *map(int, shape.split(","))), dtype)
    for _ in range(3):
        run(image)
    # Not getrusage's ru_maxrss, which a child inherits from its parent.
    peak = _status("VmHWM")
    print(json.dumps({"peak": peak, "network": peak - before}))


def _status(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    with _STATUS.open(encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
