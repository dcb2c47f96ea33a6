"""Networks that somebody has written by hand, with hashes that are right: none may crash."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ai_edge_litert import schema_py_generated as schema

from dvn_runtime.errors import UserError
from dvn_runtime.structure import check_structure

HERE = pathlib.Path(__file__).parent
OLD_EXPORT = HERE / "export_0.1.0"


def run_campaign(export, file, count, seed):
    command = [sys.executable, HERE / "mutant_campaign.py", export, file, str(count), str(seed)]
    path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", [0, 1])
def test_mutants_of_an_exported_network_are_refused_or_answer(seed):
    found = run_campaign(OLD_EXPORT, "litert/digits_0-4_level1.tflite", 350, seed)
    assert found["failures"] == []
    assert found["answered"] > 20 and found["refused"] > 200


def test_mutants_of_a_quantized_network_are_refused_or_answer(pristine):
    found = run_campaign(pristine.folder, "litert_int8/colours_level3.tflite", 350, 2)
    assert found["failures"] == []
    assert found["answered"] > 20 and found["refused"] > 150


@pytest.mark.parametrize("length", [0, 3, 4, 7, 8, 12, 20, 40, 100])
def test_a_file_cut_short_has_no_structure(length):
    content = (OLD_EXPORT / "litert" / "digits_0-4_level1.tflite").read_bytes()
    with pytest.raises(UserError):
        check_structure(memoryview(content[:length]))


@pytest.mark.parametrize("field", [6, 8, 12])  # operator codes, graphs, buffers
def test_a_list_of_billions_is_refused_at_once(field):
    content = bytearray((OLD_EXPORT / "litert" / "digits_0-4_level1.tflite").read_bytes())
    table = schema.Model.GetRootAs(content)._tab
    start = table.Vector(table.Offset(field))
    content[start - 4 : start] = b"\xff\xff\xff\xff"
    with pytest.raises(UserError, match="has 4,294,967,295 of"):
        check_structure(memoryview(bytes(content)))
