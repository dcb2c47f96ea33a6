"""Runs the page's JavaScript modules in Node."""

import json
import pathlib
import shutil
import subprocess

import pytest

STATIC = pathlib.Path(__file__).parents[2] / "dvn_tf/demo/static"


@pytest.fixture(scope="session")
def run_node(tmp_path_factory):
    """A function that gives what a script prints as JSON; it may import the page's modules."""
    if not shutil.which("node"):
        pytest.skip("there is no node")
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(STATIC, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')  # browsers need not be told

    def run(script: str, given) -> object:
        (folder / "given.json").write_text(json.dumps(given))
        start = "import { readFileSync } from 'node:fs';\n"
        start += "const given = JSON.parse(readFileSync('given.json', 'utf8'));\n"
        (folder / "script.js").write_text(start + script)
        done = subprocess.run(["node", "script.js"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
