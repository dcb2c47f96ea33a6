"""The benchmark of reading: what it makes, and what it prints."""

import re

import pytest
from PIL import Image

from dvn_tf.benchmarks import reading
from dvn_tf.data import Task
from dvn_tf.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "blobs"
    reading.make_folder(folder, 300, 16)
    return folder


def test_the_folder_has_different_images_of_all_classes(folder):
    files = list(folder.rglob("*.jpg"))
    assert len(files) == 300 and len({path.parent for path in files}) == 100
    assert len({path.read_bytes() for path in files}) == 300
    with Image.open(files[0]) as image:
        assert image.size == (16, 16) and image.format == "JPEG"
    with pytest.raises(UserError, match="exists already"):
        reading.make_folder(folder, 300, 16)


def test_what_is_held_is_counted(folder):
    task = Task("t", f"folder:{folder}", cache="encoded")
    found = reading.measure(task, None, 8, 0.2)
    assert found.images == 300
    assert found.held_bytes == sum(path.stat().st_size for path in folder.rglob("*.jpg"))
    assert found.before_bytes <= found.peak_bytes
    assert min(found.load_seconds, found.images_per_second, found.cpu_microseconds) > 0


def test_the_program_prints_its_figures(folder, run_program):
    done = run_program(
        "experiments.data_benchmark",
        f"--dataset=folder:{folder}",
        "--caches=decoded,files",
        "--batch_size=8",
        "--seconds=0.2",
    )
    assert done.returncode == 0, done.stderr
    head, decoded, files = done.stdout.splitlines()[-3:]
    assert re.split(r"  +", head.strip()) == list(reading._HEAD)
    assert re.split(r"  +", decoded.strip())[:3] == ["decoded", "300", "0"]
    assert re.split(r"  +", files.strip())[:3] == ["files", "300", "0"]


def test_ways_that_there_are_not(folder, run_program):
    done = run_program(
        "experiments.data_benchmark", f"--dataset=folder:{folder}", "--caches=packed"
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "cache must be 'decoded', 'encoded' or 'files' or None, not 'packed'" in line
