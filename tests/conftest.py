"""The slow tier; real image files; programs run as a user runs them, or forked to save time."""

import functools
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import forked_program
import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Who starts pytest in the background may ignore Ctrl-C, and the tests' programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).parents[1]
TESTS = pathlib.Path(__file__).parent
# Files and folders of tests that train, export or start programs. `-m "not slow"` leaves them out.
# They run in this order: where --slow-minutes ends them early, the last are skipped.
SLOW = (
    "methods",
    "networks/test_causal.py",
    "networks/test_extraction.py",
    "networks/test_lower_batches.py",
    "networks/test_one_level.py",
    "networks/test_own_backbones.py",
    "training/test_affinity.py",
    "training/test_fitting.py",
    "training/test_precision.py",
    "training/test_real_images.py",
    "training/test_stopping.py",
    "training/test_full_disk.py",
    "training/test_lock.py",
    "training/test_version_0_1.py",
    "export",
    "runtime/test_predictor.py",
    "runtime/test_levels.py",
    "runtime/test_resident.py",
    "runtime/test_memory.py",
    "runtime/test_predict.py",
    "runtime/test_damage.py",
    "runtime/test_benchmark.py",
    "runtime/test_device.py",
    "comparison/test_reading.py",
    "comparison/test_report.py",
    "comparison/test_figures.py",
    "comparison/test_tensorboard.py",
    "data/test_preparation.py",
    "data/test_sources.py",
    "data/test_tiny_imagenet.py",
    "experiments",
    "programs",
    "docs/test_examples.py",
    "training/test_backends.py",
    "networks/test_jax.py",
    "test_under_jax.py",
    "distribution/test_devices.py",
    "distribution/test_many_runs.py",
    "distribution/test_processes_gone.py",
    "distribution/test_same_losses.py",
    "test_distribution.py",
    "demo/test_server.py",
    "faults",
    "benchmarks",
)

_BEGUN = time.monotonic()


def pytest_addoption(parser):
    parser.addoption(
        "--slow-minutes",
        type=float,
        metavar="N",
        help="Skip slow tests that would begin more than N minutes after the first.",
    )


@pytest.hookimpl(tryfirst=True)  # before fixtures are made
def pytest_runtest_setup(item):
    minutes = item.config.getoption("--slow-minutes")
    late = minutes is not None and time.monotonic() - _BEGUN > 60 * minutes
    if late and item.get_closest_marker("slow"):
        pytest.skip(f"no time is left: --slow-minutes={minutes:g}")


def pytest_collection_modifyitems(items):
    places = {}
    for item in items:
        file = item.path.relative_to(TESTS)
        place = next((n for n, slow in enumerate(SLOW) if file.is_relative_to(slow)), len(SLOW))
        if place < len(SLOW):
            item.add_marker(pytest.mark.slow)
        places[item] = place
    # Long files first, so that two processes end at about the same time.
    items.sort(key=places.get)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real image data beside the checkout, or where DVN_TF_TEST_DATA says."""
    beside = ROOT.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("DVN_TF_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no image data in {folder} (set DVN_TF_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def tfds_dir(shared_data) -> pathlib.Path:
    """TFDS's data folder with CIFAR-10 (whole) and CIFAR-100 (1,117 + 916 images)."""
    folder = shared_data / "tfds"
    if not folder.is_dir():
        pytest.skip(f"no TFDS data in {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_imagenet_zip(shared_data) -> pathlib.Path:
    """A part of the original archive: 100 training images a class, 2,000 for validation."""
    path = shared_data / "tiny-imagenet-200.zip"
    if not path.is_file():
        pytest.skip(f"no archive {path}")
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"]
    mount = ["mount", *options, str(folder)] if shutil.which("mount") else ["false"]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _run(command: list[str], cwd, **env) -> subprocess.CompletedProcess:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # some packages set it when imported by a test
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment | env,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="session")
def run_program():
    """A function that runs a program of this project as a user would, and waits for it."""

    def run(module: str, *args, cwd=ROOT, **env) -> subprocess.CompletedProcess:
        return _run(["-m", module, *map(str, args)], cwd, **env)

    return run


@pytest.fixture(scope="session")
def run_python():
    """A function that runs Python code in a process of its own, and waits for it."""

    def run(code: str, cwd=ROOT, args=(), **env) -> subprocess.CompletedProcess:
        return _run(["-c", code, *map(str, args)], cwd, **env)

    return run


@pytest.fixture(scope="session")
def start_forked(tmp_path_factory):
    """A function that starts a program of this project; see `run_forked`.

    It returns the process, and a function that waits for it as `subprocess.run` does. `target`
    may be another function with the arguments of `forked_program.run`.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["dvn_tf.training.runs", "dvn_tf.training.configuration"])

    def start(module: str, *arguments, cwd=ROOT, target=forked_program.run):
        folder = tmp_path_factory.mktemp("output")
        files = [str(folder / name) for name in ("stdout", "stderr")]
        arguments = [str(argument) for argument in arguments]
        process = server.Process(target=target, args=(module, arguments, str(cwd), *files))
        process.start()

        def wait() -> subprocess.CompletedProcess:
            process.join(timeout=600)
            texts = [pathlib.Path(file).read_text() for file in files]
            return subprocess.CompletedProcess([module, *arguments], process.exitcode, *texts)

        return process, wait

    return start


@pytest.fixture(scope="session")
def run_forked(start_forked):
    """Like `run_program`, without the seconds that importing TensorFlow takes."""

    def run(module: str, *arguments, cwd=ROOT) -> subprocess.CompletedProcess:
        return start_forked(module, *arguments, cwd=cwd)[1]()

    return run


@pytest.fixture(scope="session")
def built():
    """{name of a case: its network}, each built once; to be left as it is."""
    from reference_networks import CASES  # imports Keras, which not every test needs

    return functools.cache(lambda name: CASES[name].build())
