"""Export folders that several files of tests use."""

import dataclasses
import shutil

import pytest
from small_exports import Export, write_export


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Export:
    """Two tasks of three levels, float and int8; nobody may change it."""
    return write_export(
        tmp_path_factory.mktemp("pristine") / "export",
        {
            "colours": ((8, 8, 3), 4, (4, 8, 16), (0.6, 0.8, 0.9), "logits"),
            "digits": ((10, 6, 1), 3, (4, 8, 24), (0.5, 0.7, 0.95), "probabilities"),
        },
        int8=True,
    )


@pytest.fixture
def export(pristine, tmp_path) -> Export:
    """A copy of `pristine` that a test may damage."""
    shutil.copytree(pristine.folder, tmp_path / "export")
    return dataclasses.replace(pristine, folder=tmp_path / "export")


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Export:
    """One task, three levels of about 1, 10 and 38 MB."""
    accuracies = (0.7, 0.8, 0.9)
    return write_export(
        tmp_path_factory.mktemp("large") / "export",
        {"large": ((32, 32, 3), 10, (80, 256, 512), accuracies, "logits")},
        depth=4,
    )
