"""Every run is trained once, whichever tests look at it."""

import functools

import pytest


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """A function from a name in `short_runs.RUNS` to the finished run."""
    from methods.short_runs import experiment_of, watch  # TensorFlow, which not every test needs

    @functools.cache
    def run(name):
        # The same old network serves both, and is trained once.
        initial_run = run("lwf").path if name == "da_cnn" else None
        path = tmp_path_factory.mktemp("methods") / "run"
        return watch(experiment_of(name), path, initial_run)

    return run
