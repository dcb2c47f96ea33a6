"""The device distribution in an environment of its own, where there is no TensorFlow."""

import pathlib
import shutil
import subprocess
import sys
import venv

import numpy as np
import pytest
from PIL import Image

CHECKOUT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def device_python(tmp_path_factory) -> pathlib.Path:
    """The Python of a fresh environment after `pip install ./device` in a fresh checkout."""
    folder = tmp_path_factory.mktemp("device")
    checkout = folder / "checkout"
    unwanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for part in ("dvn_runtime", "dvn_tf", "device"):
        shutil.copytree(CHECKOUT / part, checkout / part, ignore=unwanted)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "./device"]
    installed = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    if installed.returncode:
        network_words = ("No matching distribution", "Connection", "resolve", "timed out")
        if any(word in installed.stderr for word in network_words):
            pytest.skip(f"pip cannot install: {installed.stderr.strip().splitlines()[-1]}")
        pytest.fail(installed.stderr)
    shutil.rmtree(checkout)  # the installed package must stand on its own
    return python


def run(python, *arguments):
    # -I: neither PYTHONPATH nor the current folder may lend a package.
    return subprocess.run(
        [python, "-I", *map(str, arguments)], capture_output=True, text=True, check=True, cwd="/"
    ).stdout


def test_neither_tensorflow_nor_keras_nor_the_training_code_is_there(device_python):
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    packages = run(device_python, "-c", listing).lower().replace("_", "-")
    assert "dvn-tf-runtime" in packages.split()
    for absent in ("tensorflow", "keras", "absl", "matplotlib", "scikit"):
        assert absent not in packages
    names = ("dvn_runtime", "dvn_tf", "experiments")
    program = f"import importlib.util as u; print([bool(u.find_spec(n)) for n in {names}])"
    assert run(device_python, "-c", program).strip() == "[True, False, False]"


def test_the_package_is_complete_and_typed(device_python):
    program = (
        "import dvn_runtime, pathlib\n"
        "folder = pathlib.Path(dvn_runtime.__file__).parent\n"
        "print(*sorted(path.name for path in folder.iterdir() if path.is_file()))"
    )
    package = CHECKOUT / "dvn_runtime"
    expected = sorted(path.name for path in package.iterdir() if path.is_file())
    assert "py.typed" in expected
    assert run(device_python, "-c", program).split() == expected


def test_the_library_predicts(device_python, pristine, tmp_path):
    np.save(tmp_path / "images.npy", pristine.images["colours"])
    program = (
        "import sys, numpy as np, dvn_runtime as r\n"
        "p = r.BudgetedPredictor(sys.argv[1])\n"
        "np.save(sys.argv[3], p.predict('colours', np.load(sys.argv[2])))\n"
        "assert not {'tensorflow', 'keras', 'absl'} & set(sys.modules)"
    )
    answers = tmp_path / "answers.npy"
    run(device_python, "-c", program, pristine.folder, tmp_path / "images.npy", answers)
    np.testing.assert_allclose(np.load(answers), pristine.answers["colours", 3], atol=1e-5)


def test_the_program_classifies(device_python, pristine, tmp_path):
    image = tmp_path / "image.png"
    Image.fromarray(pristine.images["colours"][0]).save(image)
    printed = run(
        device_python, "-m", "dvn_runtime.predict", f"--export_dir={pristine.folder}",
        "--task=colours", "--budget=1MB", image,
    )  # fmt: skip
    best = pristine.answers["colours", 3][0].argmax()
    assert printed.startswith(f"{image}: colours {best} ")


def test_importing_the_runtime_here_brings_neither_tensorflow_nor_litert():
    program = "import sys, dvn_runtime.predict, experiments.predict; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    modules = subprocess.check_output(command, cwd=CHECKOUT, text=True).split()
    assert not {"tensorflow", "keras", "dvn_tf", "ai_edge_litert"} & set(modules)


def test_the_program_answers_by_both_names(pristine, tmp_path):
    image = tmp_path / "image.png"
    Image.fromarray(pristine.images["colours"][0]).save(image)
    arguments = [f"--export_dir={pristine.folder}", "--task=colours", image]
    printed = [
        subprocess.check_output(
            [sys.executable, "-m", name, *map(str, arguments)], cwd=CHECKOUT, text=True
        )
        for name in ("dvn_runtime.predict", "experiments.predict")
    ]
    assert printed[0] == printed[1] and printed[0].startswith(f"{image}: colours ")
