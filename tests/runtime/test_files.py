"""Reading files that strangers may have written."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvn_runtime.errors import UserError
from dvn_runtime.files import read_bytes, read_json, write_text

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON_VALUES)
def test_reads_what_json_writes(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / "value.json"
    file.write_text(json.dumps(value))
    assert read_json(file) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not finite"),
        ('{"a": [-Infinity]}', "-Infinity is not finite"),
        ('{"a": 1e999}', "1e999 is not finite"),
        ("9" * 400, "is too large"),
        ("9" * 5000, "is too large"),
        (str(2**63), "is too large"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("", "is not JSON"),
        ('{"a": 1', "is not JSON"),
    ],
)
def test_refuses_what_is_no_json(tmp_path, text, reason):
    file = tmp_path / "value.json"
    file.write_text(text)
    with pytest.raises(UserError, match=reason) as caught:
        read_json(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < len(str(file)) + 200


def test_refuses_bytes_that_are_no_text(tmp_path):
    (tmp_path / "value.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(UserError, match="is not JSON"):
        read_json(tmp_path / "value.json")


def test_reads_at_most_the_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    with pytest.raises(UserError, match="has 5 bytes, and at most 4"):
        read_bytes(tmp_path / "file", 4)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    with pytest.raises(UserError, match="not a regular file"):
        read_bytes(tmp_path / "pipe", 10)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a regular file"):
        read_bytes(tmp_path, 10)


@pytest.mark.parametrize("name", ["absent", "a" * 5000, "null\0byte", "\udcff\ud800"])
def test_a_path_that_leads_nowhere(tmp_path, name):
    with pytest.raises(UserError):
        read_bytes(tmp_path / name, 10)


@pytest.mark.parametrize(
    "name", ["", ".", "x" * 300, "a\0b", "folder", "absent/x", "pipe", "file/x"]
)
def test_what_cannot_be_written_is_one_line_and_stays(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError) as error:
        write_text(name, "new")
    assert len(str(error.value).splitlines()) == 1
    assert sorted(os.listdir()) == ["file", "folder", "pipe"] and not os.listdir("folder")
    assert (tmp_path / "file").read_text() == "old" and not (tmp_path / "pipe").is_file()


def test_a_device_is_not_replaced():
    with pytest.raises(UserError, match="/dev/null: it is not a regular file"):
        write_text("/dev/null", "new")


def test_a_file_is_replaced_at_the_end(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*x: No space left on device"):
        write_text(tmp_path / "x", "newer")
    assert (tmp_path / "x").read_text() == "new" and os.listdir(tmp_path) == ["x"]
