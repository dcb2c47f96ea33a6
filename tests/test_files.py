"""Atomic files and folders: whole or not at all, on disks that are full, read-only or killed."""

import errno
import os
import pathlib
import subprocess
import sys
import time

import pytest

from dvn_tf import files
from dvn_tf.errors import UserError
from dvn_tf.files import (
    PARTIAL,
    atomic_file,
    atomic_folder,
    clear_partial,
    write_bytes,
    write_json,
    write_text,
)

ROOT = pathlib.Path(files.__file__).parents[1]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new" / "file.txt"
    write_text(file, "old")
    with pytest.raises(KeyError), atomic_file(file) as temporary:
        temporary.write_text("ne")
        raise KeyError
    assert file.read_text() == "old"
    assert names_in(file.parent) == ["file.txt"]
    write_json(file, {"a": [1]})
    assert '"a"' in file.read_text()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with atomic_folder(folder) as new:
        (new / "inside").mkdir()
        (new / "inside" / "old.txt").write_text("old")
    with pytest.raises(KeyError), atomic_folder(folder) as new:
        (new / "new.txt").write_text("new")
        raise KeyError
    assert (folder / "inside" / "old.txt").read_text() == "old"
    with atomic_folder(folder) as new:
        (new / "new.txt").write_text("new")
    assert names_in(folder) == ["new.txt"]
    assert names_in(folder.parent) == ["folder"]


def test_a_folder_moved_aside_by_a_killed_program_comes_back(tmp_path):
    folder = tmp_path / "folder"
    (tmp_path / ".old-folder").mkdir()
    (tmp_path / ".old-folder" / "old.txt").touch()
    with pytest.raises(KeyError), atomic_folder(folder):
        raise KeyError
    assert names_in(folder) == ["old.txt"]


def test_two_writers_of_one_file_have_temporary_files_of_their_own(tmp_path):
    file = tmp_path / "file.txt"
    with atomic_file(file) as first, atomic_file(file) as second:
        assert first != second
        for temporary, text in ((first, "first"), (second, "second")):
            assert temporary.name.startswith(f"{PARTIAL}{files._HOST}-{os.getpid()}-")
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
    assert file.read_text() == "first"
    assert names_in(tmp_path) == ["file.txt"]


def test_a_name_of_full_length_can_be_written(tmp_path):
    file = tmp_path / ("n" * 251 + ".txt")
    write_text(file, "x")
    assert file.read_text() == "x"


def gone_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_nobody_writes_any_more_is_cleared_away(tmp_path):
    host = files._HOST
    ours, dead = f"{host}-{os.getpid()}-00000000", f"{host}-{gone_process()}-00000000"
    (tmp_path / "deep").mkdir()
    for name in (ours, dead, "elsewhere-7-00000000", "elsewhere-7-11111111", "7"):
        (tmp_path / "deep" / f"{PARTIAL}{name}-file").touch()
    (tmp_path / f"{PARTIAL}{dead}-folder").mkdir()
    (tmp_path / f"{PARTIAL}{dead}-folder" / "inside").touch()
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(tmp_path / "deep" / f"{PARTIAL}elsewhere-7-11111111-file", (two_days_ago,) * 2)
    clear_partial(tmp_path)
    assert names_in(tmp_path) == ["deep"]
    assert names_in(tmp_path / "deep") == [
        f"{PARTIAL}elsewhere-7-00000000-file",
        f"{PARTIAL}{ours}-file",
    ]
    clear_partial(tmp_path, all_of_them=True)
    assert names_in(tmp_path / "deep") == []


def test_file_and_folder_are_on_disk_before_and_after_the_rename(tmp_path, monkeypatch):
    """What a power cut may leave is decided by the order of fsync and rename."""
    events = []
    paths = {}
    real_open, real_sync, real_replace = os.open, os.fsync, os.replace

    def opened(path, *args, **kwargs):
        number = real_open(path, *args, **kwargs)
        paths[number] = pathlib.Path(path).name
        return number

    def synced(number):
        events.append(("fsync", paths[number]))
        real_sync(number)

    def replaced(old, new):
        events.append(("rename", pathlib.Path(old).name, pathlib.Path(new).name))
        real_replace(old, new)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with atomic_file(tmp_path / "made" / "file") as temporary:
        temporary.write_text("x")
    name = temporary.name
    assert events == [
        ("fsync", tmp_path.name),  # which holds the name "made"
        ("fsync", name),
        ("rename", name, "file"),
        ("fsync", "made"),
    ]
    events.clear()
    with atomic_folder(tmp_path / "folder") as new:
        (new / "inside").mkdir()
        (new / "inside" / "file").touch()
    assert set(events[:3]) == {("fsync", "inside"), ("fsync", "file"), ("fsync", new.name)}
    assert events[3:] == [("rename", new.name, "folder"), ("fsync", tmp_path.name)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=True)


LIMITED = """
import pathlib, resource, sys
from dvn_tf.errors import UserError
from dvn_tf.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    write_bytes(pathlib.Path(sys.argv[1]), bytes(3_000_000))
except UserError as error:
    print(error)
"""


def test_a_file_beyond_what_the_system_allows(tmp_path):
    """A limit on the size of files works everywhere, and the kernel refuses as a full disk does."""
    file = tmp_path / "file"
    file.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(file)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    [line] = done.stdout.splitlines()
    assert line.startswith(f"cannot write {file}: the file is larger than the system allows (3.00")
    assert file.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_full_disk(tmp_path, small_disk, monkeypatch):
    """On a real small disk; where none can be mounted, the kernel's refusal is imitated."""
    folder = small_disk or tmp_path
    write_bytes(folder / "file", b"old")
    if small_disk is None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        monkeypatch.setattr(pathlib.Path, "write_bytes", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(UserError) as raised:
        write_bytes(folder / "file", bytes(3_000_000))
    line = str(raised.value)
    assert line.startswith(f"cannot write {folder / 'file'}: no space is left on the device (3.00")
    assert line.endswith("MB are free): free some space and run the same command again")
    if small_disk is not None:
        assert "1.0" in line.split("needed, ")[1]  # what was free before the attempt
    assert (folder / "file").read_bytes() == b"old"
    assert "file" in names_in(folder) and not list(folder.glob(f"{PARTIAL}*"))
    if small_disk is not None:
        with pytest.raises(UserError, match="no space is left"), atomic_folder(folder / "x") as new:
            (new / "part").write_bytes(bytes(3_000_000))
        assert not list(folder.glob(f"{PARTIAL}*"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("function", ["replace", "fsync", "open"])
def test_every_refusal_of_the_file_system_is_one_line(tmp_path, monkeypatch, code, function):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code), str(file))

    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(UserError) as raised:
        write_bytes(file, b"new")
    monkeypatch.undo()
    assert "\n" not in str(raised.value)
    assert str(file) in str(raised.value)
    assert file.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_file_where_a_folder_should_be_and_the_reverse(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "file" / "inside", "x")
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "folder", "x")
    assert names_in(tmp_path) == ["file", "folder"]


def test_errors_of_other_files_are_not_mistaken_for_the_written_one(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "file"):
        (tmp_path / "missing").read_text()
    denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "another"))
    with pytest.raises(PermissionError), atomic_file(tmp_path / "file"):
        raise denied
