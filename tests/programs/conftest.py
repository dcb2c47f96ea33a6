"""What tests of other people's programs share: environments, exports, and a table of results."""

import contextlib
import functools
import json
import os
import pathlib
import pickle

import filelock
import numpy as np
import pytest

from tests.programs import environments, exports


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory) -> pathlib.Path:
    """A folder that all processes of a test run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def environments_folder(common_folder) -> pathlib.Path:
    """Where environments are made; DVN_TEST_ENVIRONMENTS names a folder that keeps them."""
    return pathlib.Path(os.environ.get("DVN_TEST_ENVIRONMENTS", common_folder / "environments"))


@pytest.fixture(scope="session")
def environment(environments_folder):
    """A function that gives the Python of an environment with some packages."""

    @functools.cache
    def make(*requirements: str, python: str | None = None) -> pathlib.Path:
        return environments.make_environment(environments_folder, requirements, python)

    return make


@pytest.fixture(scope="session")
def beside(environments_folder):
    """A function that gives a folder with some packages, to stand in front of this environment."""

    @functools.cache
    def make(*requirements: str) -> pathlib.Path:
        return environments.make_target_folder(environments_folder, requirements)

    return make


@pytest.fixture(scope="session")
def npm(environments_folder):
    """A function that gives a folder with `node_modules` of some packages."""

    @functools.cache
    def make(*packages: str) -> pathlib.Path:
        return environments.make_node_folder(environments_folder, packages)

    return make


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    with environments.open_browser() as opened:
        yield opened


@pytest.fixture
def serve():
    """A function that serves a folder on the loopback interface, and gives the address."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(environments.serving(folder))


@pytest.fixture(scope="session")
def make_export(common_folder):
    """A function that gives the export "digits", "colour" or "j1", each made once."""

    @functools.cache
    def make(name: str) -> exports.ProgramExport:
        folder = common_folder / f"{name}_export"
        made = folder / "made.pickle"
        with filelock.FileLock(f"{folder}.lock"):
            if not made.exists():
                export = getattr(exports, f"{name}_export")(folder)
                made.write_bytes(pickle.dumps(export))
            return pickle.loads(made.read_bytes())

    return make


@pytest.fixture(params=["digits", "colour", "j1"])
def export(request, make_export) -> exports.ProgramExport:
    """Each of the three exports in turn."""
    return make_export(request.param)


@pytest.fixture
def record():
    """A function that compares answers, and notes the comparison for the guide's table.

    It gives the largest difference and the number of images that are classified otherwise.
    """

    def compare(program, version, format, export, answers, expected) -> tuple[float, int]:
        answers, expected = np.asarray(answers), np.asarray(expected)
        assert answers.shape == expected.shape
        difference = float(np.abs(answers - expected).max())
        changed = int(np.sum(answers.argmax(-1) != expected.argmax(-1)))
        if file := os.environ.get("DVN_PROGRAMS_TABLE"):
            row = {"program": program, "version": version, "format": format}
            row |= {"export": export.name, "images": len(answers)}
            row |= {"difference": difference, "changed": changed}
            with open(file, "a", encoding="utf-8") as table:
                table.write(json.dumps(row) + "\n")
        return difference, changed

    return compare
