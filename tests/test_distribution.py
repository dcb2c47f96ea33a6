"""What a built distribution holds, and that it works where there is no checkout."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import dvn_runtime
import dvn_tf

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("dvn_tf", "dvn_runtime", "experiments")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what a wheel would install; nothing is written into the checkout."""
    work = tmp_path_factory.mktemp("build")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-base", work],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return work / "lib"


def files(folder, pattern="**/*"):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_all_files_are_in_it(installed):
    expected = {
        f"{package}/{file}" for package in PACKAGES for file in files(ROOT / package)
    } | {f"dvn_tf/gin/{file}" for file in files(ROOT / "gin")}  # fmt: skip
    assert files(installed) == expected
    assert {"dvn_tf/py.typed", "dvn_runtime/py.typed", "dvn_tf/gin/base/cifar.gin"} < expected


def test_it_does_not_hide_gin_config(installed):
    assert {path.name for path in installed.iterdir()} == {*PACKAGES}
    assert not (ROOT / "gin" / "__init__.py").exists()


def test_its_gin_files_are_found_from_an_empty_folder(installed, tmp_path):
    code = """
import sys
from dvn_tf.training import configuration
for file in sys.argv[1:]:
    scenario, _, _ = configuration.read_config([file])
    print(configuration.__file__, scenario.name)
"""
    names = sorted(f"gin/{file}" for file in files(ROOT / "gin", "*.gin"))
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=tmp_path, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names) > 8
    assert all(line.startswith(str(installed)) for line in lines)
    # The programs' quick check finds them too.
    done = subprocess.run(
        [sys.executable, "-m", "experiments.joint", "--gin_file=gin/quickstrat.gin"],
        cwd=tmp_path, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == (
        "error: there is no gin file gin/quickstrat.gin: did you mean gin/quickstart.gin?\n"
    )


def test_metadata():
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "--name", "--version", "--classifiers"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    name, version, *classifiers = done.stdout.splitlines()
    source = (ROOT / "dvn_tf" / "__init__.py").read_text()
    assert (name, version) == ("dvn_tf", re.search(r'__version__ = "(.+)"', source)[1])
    assert "Typing :: Typed" in classifiers


def test_the_runtime_has_the_same_version():
    assert dvn_runtime.__version__ == dvn_tf.__version__


@pytest.fixture(params=["0.0.1", None], ids=["older", "without a version"])
def other_runtime(request, tmp_path):
    """The folder of another version of the runtime, which hides the right one; and its name."""
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dvn_runtime", tmp_path / "dvn_runtime", ignore=unwanted)
    file = tmp_path / "dvn_runtime" / "__init__.py"
    line = f'__version__ = "{request.param}"' if request.param else ""
    file.write_text(re.sub("__version__ = .*", line, file.read_text()))
    return tmp_path, request.param or "0.4.0 or older"


def test_another_version_of_the_runtime_is_refused(other_runtime, run_program, run_python):
    folder, version = other_runtime
    start = (
        f"dvn_tf {dvn_tf.__version__} needs dvn_runtime {dvn_tf.__version__}, but Python found "
        f"dvn_runtime {version} in {folder / 'dvn_runtime'}: take that folder off Python's path"
    )
    done = run_python("import dvn_tf.units", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"dvn_runtime.errors.UserError: {start}")
    done = run_program("experiments.joint", "--gin_file=gin/quickstart.gin", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {start}") and done.stderr.count("\n") == 1
    assert not (folder / "runs").exists()
