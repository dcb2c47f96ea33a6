"""A run on a full or read-only disk: one line, nothing lost, and the same end afterwards."""

import functools
import os
import resource
import shutil
import subprocess

import forked_program
import pytest
from run_checks import assert_same_files, one_line_error

ARGUMENTS = (
    "--gin_file=gin/quickstart.gin",
    "--gin_param=Recipe.epochs = 3",
    "--gin_param=WideResNet.width = 1",
    "--gin_param=Task.train_examples = 50",
)


def limited(size: int, *args) -> None:
    """Runs a program that may not write files of more than some bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    forked_program.run(*args)


@pytest.fixture(scope="module")
def whole(run_forked, tmp_path_factory):
    """A run that had all the space it wanted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


# Each of these is too small for one more of the files, which come in this order.
@pytest.mark.parametrize(
    "size, file",
    [
        (1_000, "config.gin"),
        (10_000, "table.png"),
        (100_000, "epoch-0001.checkpoint"),
    ],
)
def test_a_file_that_the_system_does_not_take(
    size, file, start_forked, run_forked, whole, tmp_path
):
    folder = tmp_path / "run"
    start = functools.partial(start_forked, "experiments.joint", *ARGUMENTS)
    done = start(f"--run_dir={folder}", target=functools.partial(limited, size))[1]()
    line = one_line_error(done)
    assert f"cannot write {folder}" in line and file in line
    assert "the file is larger than the system allows (" in line
    assert "run the same command again" in line
    resumed = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_files(folder, whole)


def test_a_disk_that_is_full_after_the_first_checkpoint(
    start_forked, run_forked, small_disk, whole, tmp_path
):
    """HDF5 would end the process with a segmentation fault here."""
    if small_disk is None:
        pytest.skip("this process may not mount a small file system")
    folder = small_disk / "run"
    done = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={folder}")
    line = one_line_error(done)
    assert "epoch-0002.checkpoint: no space is left on the device (0.6" in line
    assert "MB were needed, 0." in line and "MB are free): free some space" in line
    first = folder / "checkpoints" / "epoch-0001.checkpoint"
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    # While it is still full, the same command says the same, and loses nothing.
    again = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={folder}")
    assert "no space is left" in one_line_error(again)
    assert first.exists()
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    resumed = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "Going on after epoch 1 of 3." in resumed.stdout
    assert_same_files(folder, whole)


def test_a_folder_that_is_read_only(run_forked, small_disk, whole):
    if small_disk is None:
        pytest.skip("this process may not mount a file system")
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    finished, unfinished = small_disk / "finished", small_disk / "unfinished"
    for folder in (finished, unfinished):
        shutil.copytree(whole, folder)
    (unfinished / "results.json").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={unfinished}")
    assert f"cannot write {unfinished}" in one_line_error(done)
    assert os.strerror(30) in done.stderr  # EROFS
    done = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={small_disk / 'new'}")
    assert f"the folder {small_disk} is read-only: name another path" in one_line_error(done)
    done = run_forked("experiments.joint", *ARGUMENTS, f"--run_dir={finished}")
    assert done.returncode == 0, done.stderr
    assert "is finished" in done.stdout
