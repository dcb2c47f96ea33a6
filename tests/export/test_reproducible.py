"""The same command gives the same bytes in every process, in every format."""

import os
import subprocess
import sys

import pytest

from dvn_tf.errors import UserError
from dvn_tf.export.formats import FORMATS, checked_formats
from dvn_tf.export.manifest import file_facts

# Exports a run. "busy" builds and exports something else first, which numbers Keras's and
# TensorFlow's names otherwise.
PROGRAM = """
import sys
from dvn_tf import export
run, folder, formats, busy = sys.argv[1:]
formats = formats.split(",")
if busy == "busy":
    import keras
    keras.Sequential([keras.Input((4,)), keras.layers.ReLU(), keras.layers.Dense(2)])
    export.export_run(run, f"{folder}_of_another", formats, task="digits_5-9", level=1)
export.export_run(run, folder, formats, task="digits_0-4", level=2)
export.export_bundle(run, ["all"], folder)
"""


@pytest.fixture(scope="module")
def twice(run_dir, tmp_path_factory):
    """The folders of the same export, by two processes that order sets otherwise."""
    formats = ",".join(filter(_is_installed, FORMATS))
    folders = []
    for seed, busy in (("1", "idle"), ("2", "busy")):
        folder = tmp_path_factory.mktemp("twice") / f"export{seed}"
        command = [sys.executable, "-c", PROGRAM, run_dir, folder, formats, busy]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        folders.append(folder)
    return folders


def _is_installed(name: str) -> bool:
    try:
        return bool(checked_formats([name]))
    except UserError:
        return False


def test_every_file_has_the_same_bytes(twice):
    one, other = (file_facts(folder)["files_sha256"] for folder in twice)
    assert [name for name in one if one[name] != other.get(name)] == []
    assert one.keys() == other.keys()
    assert {"manifest.json", "README.md", "bundle/all/saved_model.pb"} <= one.keys()


def test_nothing_random_signs_a_saved_model(twice):
    assert not list(twice[0].rglob("fingerprint.pb"))
