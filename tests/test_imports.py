"""TensorFlow stands at the edge: what the core imports, seen in fresh interpreters."""

import os
import pathlib
import subprocess
import sys

import dvn_tf

ROOT = pathlib.Path(dvn_tf.__file__).parents[1]
CORE = ("units", "tasks", "figures", "networks", "methods")
DEVICE = (
    "budget",
    "images",
    "manifest",
    "network",
    "plan",
    "planner",
    "pool",
    "predictor",
    "trace",
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


def modules_of(*rooms):
    """The modules of some rooms of `dvn_tf`."""
    files = [file for room in rooms for file in (ROOT / "dvn_tf").glob(f"{room}*")]
    files = [f for file in files for f in (file.glob("[!_]*.py") if file.is_dir() else [file])]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]


def test_the_core_imports_no_tensorflow():
    modules = modules_of(*CORE)
    assert len(modules) > 20
    found = imported_by(*modules)
    for module, packages in found.items():
        assert "tensorflow" not in packages, module
    assert "keras" in found["dvn_tf.networks.network"]


def test_the_device_s_part_needs_neither_keras_nor_tensorflow_nor_the_main_package():
    found = imported_by("dvn_runtime", *(f"dvn_runtime.{name}" for name in DEVICE))
    for module, packages in found.items():
        assert not packages & {"keras", "tensorflow", "jax", "dvn_tf", "absl"}, module


def test_public_names():
    assert dvn_tf.UnitTable is __import__("dvn_tf.units", fromlist=["_"]).UnitTable
    assert all(hasattr(dvn_tf, name) for name in dvn_tf.__all__)
