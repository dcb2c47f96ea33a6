"""Reading files that strangers may have written."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvn_runtime.errors import UserError
from dvn_runtime.files import read_bytes, read_json

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
