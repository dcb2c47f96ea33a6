"""Real image files for the tests that need them, and programs run as a user runs them."""

import functools
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real image data beside the checkout, or where DVN_TF_TEST_DATA says."""
    beside = pathlib.Path(__file__).parents[1].parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("DVN_TF_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no image data in {folder} (set DVN_TF_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def tfds_dir(shared_data) -> pathlib.Path:
    """TFDS's data folder with CIFAR-10 (whole) and CIFAR-100 (1,117 + 916 images)."""
    folder = shared_data / "tfds"
    if not folder.is_dir():
        pytest.skip(f"no TFDS data in {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_imagenet_zip(shared_data) -> pathlib.Path:
    """A part of the original archive: 100 training images a class, 2,000 for validation."""
    path = shared_data / "tiny-imagenet-200.zip"
    if not path.is_file():
        pytest.skip(f"no archive {path}")
    return path


def _run(command: list[str], cwd, **env) -> subprocess.CompletedProcess:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path} | env,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="session")
def run_program():
    """A function that runs a program of this project as a user would, and waits for it."""

    def run(module: str, *args, cwd=ROOT, **env) -> subprocess.CompletedProcess:
        return _run(["-m", module, *map(str, args)], cwd, **env)

    return run


@pytest.fixture(scope="session")
def run_python():
    """A function that runs Python code in a process of its own, and waits for it."""

    def run(code: str, cwd=ROOT, args=(), **env) -> subprocess.CompletedProcess:
        return _run(["-c", code, *map(str, args)], cwd, **env)

    return run


@pytest.fixture(scope="session")
def built():
    """{name of a case: its network}, each built once; to be left as it is."""
    from reference_networks import CASES  # imports Keras, which not every test needs

    return functools.cache(lambda name: CASES[name].build())
