"""A disk that is full: one line, and what was there before is still there and listed."""

import contextlib
import resource
import subprocess

import pytest

import dvn_tf
from dvn_tf.export.bundle import Bundle
from dvn_tf.export.exporter import _export_file
from dvn_tf.export.formats import FORMATS
from dvn_tf.export.manifest import ManifestWriter, file_facts
from dvn_tf.export.slim import slim_network
from dvn_tf.files import atomic_folder

FORMAT_NAMES = ("keras", "tf_saved_model", "litert", "litert_int8", "onnx")


@contextlib.contextmanager
def largest_file(size):
    """No file may become larger: what a full disk is to programs, without a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 128 kB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def export(slim, manifest, format_name, data):
    entry = {
        "file": f"{format_name}/{slim.name}{FORMATS[format_name].suffix}",
        "format": format_name,
        "input": slim.metadata(FORMATS[format_name].input_dtype)["input"],
    }
    _export_file(slim, manifest, entry, data)


@pytest.mark.parametrize("size", [0, 1000, 20_000])
@pytest.mark.parametrize("format_name", FORMAT_NAMES, indirect=True)
def test_nothing_that_existed_is_lost(network, digits, format_name, size, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    manifest = ManifestWriter(folder, {"seed": 0})
    export(slim_network(network, "low", 2), manifest, format_name, digits["low"])
    before, content = file_facts(folder), manifest.content()
    for level in (2, 1):  # in the place of a file, and a new one
        slim = slim_network(network, "low", level)
        with largest_file(size), pytest.raises(dvn_tf.UserError) as caught:
            export(slim, manifest, format_name, digits["low"])
        line = str(caught.value)
        assert "the file is larger than the system allows" in line and ".partial" not in line
        assert str(folder / format_name / slim.name) in line or "manifest.json" in line
        assert file_facts(folder) == before and manifest.content() == content
    assert ManifestWriter(folder, {"seed": 0}).content() == content


@pytest.mark.parametrize("format_name", FORMAT_NAMES, indirect=True)
def test_a_disk_too_small_for_all_keeps_what_fits(network, digits, format_name, small_disk):
    manifest = ManifestWriter(small_disk, {"seed": 0})
    (small_disk / "filler").write_bytes(bytes(60_000))
    with pytest.raises(dvn_tf.UserError, match="no space is left on the device") as caught:
        for level in (1, 2):
            for task in ("low", "high"):
                export(slim_network(network, task, level), manifest, format_name, digits[task])
    assert "MB are free" in str(caught.value)
    for entry in manifest.content()["files"]:
        facts = file_facts(small_disk / entry["file"])
        assert facts.items() <= entry.items()
    names = {path.name for path in small_disk.rglob("*") if path.is_file()}
    assert not [name for name in names if name.startswith(".partial")]


def test_the_manifest_is_as_safe_as_the_files(network, digits, tmp_path):
    """The file would fit, but the manifest with its entry does not: neither is replaced."""
    folder = tmp_path / "export"
    folder.mkdir()
    manifest = ManifestWriter(folder, {"seed": 0, "filler": "x" * 1_000_000})
    slim = slim_network(network, "low", 1)
    with largest_file(500_000), pytest.raises(dvn_tf.UserError, match=r"manifest\.json"):
        export(slim, manifest, "keras", digits["low"])
    assert not list(folder.rglob("*.keras")) and manifest.content()["files"] == []


def test_a_bundle(network, tmp_path):
    bundle = Bundle(network, ["low/level1", "high/level2"])
    bundle.write(tmp_path / "bundle")
    before = file_facts(tmp_path)
    with (
        largest_file(3000),
        pytest.raises(dvn_tf.UserError, match="larger than the system allows"),
        atomic_folder(tmp_path / "bundle") as temporary,
    ):
        bundle.fill(temporary)
    assert file_facts(tmp_path) == before
