"""Where a result comes from: versions, commit, processor. Read when a run ends."""

import datetime
import importlib
import pathlib
import platform
import subprocess
from collections.abc import Iterable

import keras

import dvn_tf
from dvn_runtime.process import processor_name
from dvn_tf.machine import num_cores


def provenance(backends: Iterable[str] = ()) -> dict:
    """What made the results of a run that ends now, as `results.json` holds it.

    Args:
        backends: what trained the run, as `backend_in_use` gave it in the order of their use;
            none stands for the one in use.

    Returns:
        "finished": date and time in UTC; the versions "dvn_tf", "keras", "backend_version" and
        "python"; "backend": the name of Keras's backend, such as "tensorflow, then jax" where the
        run was continued under another, and so its version; "commit": of the checkout that the
        package was imported from, with "+" after it where files were changed, None outside of
        one; "device": the GPUs that TensorFlow or JAX sees, else the processor; "cores": the
        processor cores that the process may use.
    """
    used = list(dict.fromkeys(backends)) or [backend_in_use()]
    names, _, versions = zip(*(backend.partition(" ") for backend in used), strict=True)
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "dvn_tf": dvn_tf.__version__,
        "keras": keras.version(),
        "backend": ", then ".join(names),
        "backend_version": ", then ".join(versions),
        "python": platform.python_version(),
        "commit": _commit(pathlib.Path(__file__).resolve().parents[2]),
        "device": device_name(),
        "cores": num_cores(),
    }


def backend_in_use() -> str:
    """The name and version of Keras's backend, such as "jax 0.10.2"."""
    backend = keras.backend.backend()
    return f"{backend} {importlib.import_module(backend).__version__}"


def device_name() -> str:
    """The name of the GPUs that the backend computes on, else of the processor."""
    if keras.backend.backend() == "jax":
        import jax

        names = [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    else:
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        gpus = tf.config.list_physical_devices("GPU")
        names = [details(gpu).get("device_name", "GPU") for gpu in gpus]
    if not names:
        return processor_name()
    return names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"


def _commit(folder: pathlib.Path) -> str | None:
    """The commit of a checkout, None where the folder is none or git is missing."""
    if not (folder / ".git").exists():  # an installed package may lie below a foreign checkout
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _git(folder: pathlib.Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
