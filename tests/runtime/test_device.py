"""The device distribution: what it holds, alone on several Pythons, and beside the main one."""

import email
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

import dvn_runtime
from tests.programs.environments import make_environment

CHECKOUT = pathlib.Path(__file__).parents[2]
MODULES = {path.name for path in (CHECKOUT / "dvn_runtime").iterdir() if path.is_file()}
NAMES = {"main": "dvn_tf", "editable": "dvn_tf", "device": "dvn-tf-runtime"}
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"

# Predicts the images of a file, and prints the folder that the package lies in.
PREDICT = """
import pathlib, sys
import numpy as np, dvn_runtime
with dvn_runtime.BudgetedPredictor(sys.argv[1]) as predictor:
    np.save(sys.argv[3], predictor.predict("colours", np.load(sys.argv[2])))
assert not {"tensorflow", "keras", "absl"} & set(sys.modules)
print(pathlib.Path(dvn_runtime.__file__).resolve().parents[1])
"""

# Prints the files of a distribution.
OWNED = "import sys, importlib.metadata as m; print(*(f.locate() for f in m.files(sys.argv[1])))"


def run(python, *arguments, path="") -> str:
    """What a Python prints, to which PYTHONPATH and the current folder lend no other package."""
    command = [python, *([] if path else ["-I"]), *arguments]
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | {"PYTHONPATH": path}, cwd="/", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(python, *arguments) -> None:
    run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def contents(folder) -> dict:
    """{path: bytes} of the files under a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """Holds the environments and the distributions of this file."""
    return tmp_path_factory.mktemp("device")


@pytest.fixture(scope="module")
def checkout(folder) -> pathlib.Path:
    """A copy of what both distributions are built of."""
    unwanted = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info")
    for part in ("device", "dvn_runtime", "dvn_tf", "experiments", "gin"):
        shutil.copytree(CHECKOUT / part, folder / "checkout" / part, symlinks=True, ignore=unwanted)
    for name in ("setup.py", "pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(CHECKOUT / name, folder / "checkout")
    return folder / "checkout"


@pytest.fixture(scope="module")
def untouched(checkout) -> dict:
    """What the checkout holds before anything is built."""
    return contents(checkout)


@pytest.fixture(scope="module")
def builder(folder) -> pathlib.Path:
    """The Python of an environment that builds distributions."""
    return make_environment(folder, ("build",))


@pytest.fixture(scope="module")
def built(builder, checkout, untouched, folder) -> tuple[pathlib.Path, pathlib.Path]:
    """The sdist, and the wheel that was built from it."""
    run(builder, "-m", "build", "--outdir", folder / "dist", checkout / "device")
    [sdist], [wheel] = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module", params=["3.10", "3.11", "3.12", "3.13", "3.14"])
def device_python(request, built, folder) -> pathlib.Path:
    """The Python of a fresh environment that has the wheel and what it asks for."""
    return make_environment(folder, (str(built[1]),), request.param)


@pytest.fixture(scope="module")
def predict(pristine, folder):
    """A function that checks what a Python predicts, and gives the folder of its `dvn_runtime`."""
    np.save(folder / "images.npy", pristine.images["colours"])

    def check(python, path="") -> pathlib.Path:
        files = folder / "images.npy", folder / "answers.npy"
        files[1].unlink(missing_ok=True)
        printed = run(python, "-c", PREDICT, pristine.folder, *files, path=path)
        np.testing.assert_allclose(np.load(files[1]), pristine.answers["colours", 3], atol=1e-5)
        return pathlib.Path(printed.strip())

    return check


@pytest.fixture(scope="module")
def bare_python(folder) -> pathlib.Path:
    """The Python of an environment with what the runtime needs, but not the runtime."""
    return make_environment(folder, ("ai-edge-litert", "numpy", "pillow"), HERE)


@pytest.fixture(scope="module")
def distributions(bare_python, built, checkout, folder) -> dict:
    """{name: what pip installs} of the device distribution, and of the main one in two ways."""
    source = shutil.copytree(checkout, folder / "source", symlinks=True)
    pip(bare_python, "wheel", "--no-deps", "--wheel-dir", folder / "main", source)
    [main] = (folder / "main").glob("*.whl")
    return {"main": [main], "editable": ["--editable", source], "device": [built[1]]}


def test_the_sdist_and_the_wheel_hold_the_runtime_and_nothing_else(built):
    version = dvn_runtime.__version__
    with tarfile.open(built[0]) as archive:
        inside = set(archive.getnames())
    beside = {".gitignore", "PKG-INFO", "README.md", "dvn_tf_runtime.pth", "pyproject.toml"}
    expected = beside | {f"dvn_runtime/{name}" for name in MODULES}
    assert inside == {f"dvn_tf_runtime-{version}/{name}" for name in expected}
    with zipfile.ZipFile(built[1]) as archive:
        inside = set(archive.namelist())
        metadata = archive.read(f"dvn_tf_runtime-{version}.dist-info/METADATA")
    assert inside == (
        {"dvn_tf_runtime.pth", "dvn_tf_runtime/README.md"}
        | {f"dvn_tf_runtime/dvn_runtime/{name}" for name in MODULES}
        | {f"dvn_tf_runtime-{version}.dist-info/{n}" for n in ("METADATA", "RECORD", "WHEEL")}
    )
    assert "py.typed" in MODULES
    metadata = email.message_from_bytes(metadata)
    assert (metadata["Version"], metadata["Requires-Python"]) == (version, ">=3.10")
    assert metadata.get_all("Requires-Dist") == [
        "ai-edge-litert", "numpy", "pillow", "cryptography; extra == 'sign'",
    ]  # fmt: skip


def test_building_leaves_nothing_in_the_checkout(built, builder, checkout, untouched, folder):
    pip(builder, "wheel", "--no-deps", "--wheel-dir", folder / "direct", checkout / "device")
    assert contents(checkout) == untouched
    # Built without the detour by an sdist, the wheel is the same.
    assert (folder / "direct" / built[1].name).read_bytes() == built[1].read_bytes()


def test_neither_tensorflow_nor_keras_nor_the_training_code_is_there(device_python):
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    packages = run(device_python, "-c", listing).lower().replace("_", "-")
    assert "dvn-tf-runtime" in packages.split()
    for absent in ("tensorflow", "keras", "absl", "matplotlib", "scikit"):
        assert absent not in packages
    names = ("dvn_runtime", "dvn_tf", "experiments")
    program = f"import importlib.util as u; print([bool(u.find_spec(n)) for n in {names}])"
    assert run(device_python, "-c", program).strip() == "[True, False, False]"


def test_the_library_predicts(device_python, predict):
    assert predict(device_python).name == "dvn_tf_runtime"


def test_every_module_can_be_imported(device_python):
    names = [f"dvn_runtime.{name[:-3]}" for name in MODULES if name.endswith(".py")]
    program = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    run(device_python, "-W", "error", "-c", program, *names)


def test_the_program_classifies(device_python, pristine, tmp_path):
    image = tmp_path / "image.png"
    Image.fromarray(pristine.images["colours"][0]).save(image)
    for format in ("litert", "litert_int8"):
        printed = run(
            device_python, "-m", "dvn_runtime.predict", f"--export_dir={pristine.folder}",
            "--task=colours", "--budget=1MB", f"--format={format}", image,
        )  # fmt: skip
        best = pristine.answers["colours", 3][0].argmax()
        assert printed.startswith(f"{image}: colours {best} "), format


def test_links_in_a_circle_are_refused(device_python, export):  # Pythons differ in finding them
    path = export.path("colours", 1)
    path.unlink()
    path.symlink_to(path)
    program = (
        "import sys, dvn_runtime\n"
        "try: dvn_runtime.BudgetedPredictor(sys.argv[1])\n"
        "except ValueError as error: print(error)"
    )
    assert "links lead elsewhere" in run(device_python, "-c", program, export.folder)


def test_it_predicts_from_a_folder_that_is_no_environment(bare_python, built, predict, tmp_path):
    pip(bare_python, "install", "--no-deps", "--target", tmp_path, built[1])
    assert predict(bare_python, path=tmp_path / "dvn_tf_runtime") == tmp_path / "dvn_tf_runtime"


@pytest.mark.parametrize("removed", [0, 1], ids=["remove first", "remove second"])
@pytest.mark.parametrize(
    "order",
    [("main", "device"), ("device", "main"), ("editable", "device"), ("device", "editable")],
    ids=" then ".join,
)
def test_it_lives_beside_the_main_distribution(order, removed, bare_python, distributions, predict):
    packages = pathlib.Path(
        run(bare_python, "-c", "import site; print(*site.getsitepackages())").strip()
    )
    before = {path.name for path in packages.iterdir()}
    for name in order:
        pip(bare_python, "install", "--no-deps", *distributions[name])
    files = [set(run(bare_python, "-c", OWNED, NAMES[name]).split()) for name in order]
    assert files[0] and files[1] and not files[0] & files[1]
    homes = {
        "main": packages,
        "device": packages / "dvn_tf_runtime",
        "editable": distributions["editable"][1],
    }
    # The main distribution's copy comes first, unless that is an editable one.
    assert predict(bare_python) == homes["main" if "main" in order else "device"]
    pip(bare_python, "uninstall", "--yes", NAMES[order[removed]])
    left = order[1 - removed]
    assert predict(bare_python) == homes[left]
    pip(bare_python, "uninstall", "--yes", NAMES[left])
    assert {path.name for path in packages.iterdir()} == before


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
