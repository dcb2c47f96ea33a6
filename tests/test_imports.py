"""TensorFlow stands at the edge: what the core imports, seen in fresh interpreters."""

import os
import pathlib
import subprocess
import sys

import pytest

import dvn_tf

ROOT = pathlib.Path(dvn_tf.__file__).parents[1]
CORE = (
    "units",
    "layers",
    "normalization",
    "stream_layers",
    "backbones",
    "networks",
    "objectives",
    "accounting",
    "tasks",
    "distillation",
    "transfer",
)


def imported_by(*modules, backend="jax"):
    """The top-level packages that importing some modules, in this order, brings in one by one."""
    script = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    print(module, *sorted({name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *modules],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: set(line.split()[1:]) for line in done.stdout.splitlines()}


def test_the_core_imports_no_tensorflow():
    found = imported_by(*(f"dvn_tf.{name}" for name in CORE))
    assert len(found) == len(CORE)
    for module, packages in found.items():
        assert "tensorflow" not in packages, module
    assert "keras" in found["dvn_tf.networks"]


@pytest.mark.parametrize("module", ["dvn_tf", "dvn_tf.units", "dvn_tf.tasks", "dvn_tf.errors"])
def test_pure_python_imports_no_framework(module):
    [packages] = imported_by(module).values()
    assert "dvn_tf" in packages
    assert not packages & {"keras", "tensorflow", "jax", "torch", "numpy"}


def test_public_names_resolve_to_their_homes():
    assert dvn_tf.UnitTable is __import__("dvn_tf.units", fromlist=["_"]).UnitTable
    for name in dvn_tf.__all__:
        assert getattr(dvn_tf, name).__module__.startswith("dvn_tf.")
        assert name in dir(dvn_tf)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dvn_tf.nothing  # noqa: B018
