"""Paths that programs cannot use: one line, exit status 1, and nothing written."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
READ, WRITTEN = "read", "written"
GIN = "--gin_file=gin/quickstart.gin"
# {flag of a program: (what the folder is for, the other flags that it needs)}
FLAGS = {
    ("affinity", "run_dir"): (READ, []),
    ("affinity", "data_dir"): (READ, ["--run_dir=folder"]),
    ("compare", "runs"): (READ, []),
    ("compare", "report_dir"): (WRITTEN, ["--runs=folder"]),
    ("export", "run_dir"): (READ, []),
    ("export", "export_dir"): (WRITTEN, ["--run_dir=folder"]),
    ("export", "data_dir"): (READ, ["--run_dir=folder"]),
    ("latency", "run_dir"): (READ, []),
    ("latency", "out_dir"): (WRITTEN, ["--run_dir=folder"]),
    ("latency", "data_dir"): (READ, ["--run_dir=folder"]),
    ("budget_plot", "export_dir"): (READ, ["--budgets=8MB"]),
    ("budget_plot", "output_dir"): (WRITTEN, ["--budgets=8MB", "--export_dir=folder"]),
    ("demo", "export_dir"): (READ, []),
    ("demo", "images"): (READ, ["--export_dir=folder"]),
    ("demo", "runtime_dir"): (WRITTEN, ["--export_dir=folder"]),
    ("joint", "run_dir"): (WRITTEN, [GIN]),
    ("joint", "runs_dir"): (WRITTEN, [GIN]),
    ("joint", "data_dir"): (READ, [GIN]),
    ("sequential", "run_dir"): (WRITTEN, [GIN]),
    ("sequential", "runs_dir"): (WRITTEN, [GIN]),
    ("sequential", "data_dir"): (READ, [GIN]),
}
ALWAYS_BAD = {
    "empty": "",
    "undecodable": "\udcff",
    "long name": "x" * 300,
    "long path": "x/" * 3000,
    "file": "file",
    "pipe": "pipe",
    "broken link": "broken",
    "circle of links": "circle",
    "inside a file": "file/inside",
    "inside a pipe": "pipe/inside",
    "inside a circle": "circle/inside",
}
BAD = {READ: ALWAYS_BAD | {"missing": "nowhere"}, WRITTEN: ALWAYS_BAD}

# Runs each command in a fork, which has imported what is not TensorFlow: [[status, output], ...].
DRIVER = """
import json, os, runpy, sys, tempfile
from absl import app, flags
from experiments import programs

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras", "dvn_tf"):
            raise BaseException(f"{name} is imported")

sys.meta_path.insert(0, Forbidden())
results = []
for module, *arguments in json.load(sys.stdin):
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            for number in (1, 2):
                os.dup2(output.fileno(), number)
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        results.append([status, output.read().decode()])
json.dump(results, sys.stdout)
"""


def run_all(folder: pathlib.Path, commands: list[list[str]]) -> list[tuple[int, str]]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(commands), cwd=folder, text=True,
        capture_output=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


def test_one_line_and_nothing_written(folder):
    cases = [
        (program, flag, kind, [f"experiments.{program}", *others, f"--{flag}={path}"])
        for (program, flag), (use, others) in FLAGS.items()
        for kind, path in BAD[use].items()
    ]
    # An argument cannot have a null byte, but a file of flags can.
    (folder.parent / "flags").write_text("--runs=a\0b\n")
    null = [f"--flagfile={folder.parent / 'flags'}"]
    cases.append(("compare", "runs", "null byte", ["experiments.compare", *null]))
    before = sorted(os.listdir(folder))
    results = run_all(folder, [command for *_, command in cases])
    assert len(results) > 150
    for (program, flag, kind, _), (status, output) in zip(cases, results, strict=True):
        case = f"{program} --{flag}, {kind}: {output[:500]}"
        lines = output.splitlines()
        assert status == 1 and len(lines) == 1, case
        assert lines[0].startswith("error: ") and f"--{flag}" in lines[0], case
        assert len(lines[0]) < 2500, case
    assert sorted(os.listdir(folder)) == before
    assert not os.listdir(folder / "folder")


def test_all_programs_and_flags_are_here():
    defined = {
        (file.stem, line.partition('"')[2].partition('"')[0])
        for file in (ROOT / "experiments").glob("*.py")
        for line in file.read_text().replace("(\n    ", "(").splitlines()
        if "= define_folder(" in line
    }
    assert {flag for _, flag in defined} | {"data_dir"} == {flag for _, flag in FLAGS}
