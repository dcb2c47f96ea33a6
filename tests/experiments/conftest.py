"""Programs in forked processes: TensorFlow is imported once for all of them."""

import multiprocessing
import pathlib
import subprocess

import forked_program
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def start_forked(tmp_path_factory):
    """A function that starts a program of this project; see `run_forked`.

    It returns the process, and a function that waits for it as `subprocess.run` does.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["dvn_tf.training.runs", "dvn_tf.training.configuration"])

    def start(module: str, *arguments, cwd=ROOT):
        folder = tmp_path_factory.mktemp("output")
        files = [str(folder / name) for name in ("stdout", "stderr")]
        arguments = [str(argument) for argument in arguments]
        process = server.Process(
            target=forked_program.run, args=(module, arguments, str(cwd), *files)
        )
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
