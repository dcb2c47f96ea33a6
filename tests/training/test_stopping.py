"""A run that stops after any step goes on after it, and ends as one that never stopped, exactly."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest
from run_checks import without_seconds

from dvn_tf import data
from dvn_tf.data import pipelines
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.training import configuration, fitting
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import Stop, Stopped

PARAMS = (
    "WideResNet.width = 1",
    "Recipe.epochs = 3",
    "Recipe.batch_size = 64",
    "Task.train_examples = 60",  # of each class: 5 steps an epoch
    "Recipe.evaluate_every = 2",
)
STEPS = 5


class StopAt(Stop):
    """Stops when it is asked about a step for the n-th time, and remembers what it was asked.

    The first time is after the step, later ones are in the evaluation that follows.
    """

    def __init__(self, step: int = 0, time: int = 1):
        self.step, self.time = step, time
        self.asked = []

    def requested(self, step):
        self.asked.append(step)
        return step == self.step and self.asked.count(step) == self.time


@pytest.fixture(scope="module")
def setting():
    experiment = configuration.read_experiment(["gin/quickstart.gin"], PARAMS)
    task_data = [data.load(task) for task in experiment.scenario.tasks]
    assert pipelines.steps_per_epoch(task_data, experiment.recipe.batch_size) == STEPS
    return experiment, task_data


def start(setting, path, stop=None, observers=(), **recipe):
    """Starts or goes on with a training, as a new process would; returns the network."""
    experiment, task_data = setting
    folder = RunFolder(path)
    folder.claim(experiment.config)
    recipe = dataclasses.replace(experiment.recipe, **recipe)
    keras.utils.clear_session()
    fitting.prepare_backend(recipe)
    network = fitting.build_network(experiment.scenario, [d.info for d in task_data], recipe)
    objective = joint_objective(network.virtual_networks)
    outputs = network.outputs_by_task
    fitting.train(network, task_data, outputs, objective, recipe, folder, observers, stop or Stop())
    return network


def state(network):
    variables = [*network.variables, *network.optimizer.variables, *network.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def history(path):
    return without_seconds(json.loads((path / "history.json").read_text()))


def names(path):
    return sorted(file.name for file in (path / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def whole(setting, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    return path, state(start(setting, path))


# Epochs 2 and 3 are evaluated, in three batches.
@pytest.mark.parametrize("stops", [[(1, 1), (4, 1), (10, 3)], [(5, 1), (8, 1), (15, 1), (15, 2)]])
def test_it_ends_as_a_training_that_never_stopped(stops, setting, whole, tmp_path):
    path, expected = whole
    folder = tmp_path / "run"
    for step, time in stops:
        epoch, rest = -(-step // STEPS), (step - 1) % STEPS + 1
        with pytest.raises(Stopped) as stopped:
            start(setting, folder, StopAt(step, time))
        assert str(stopped.value) == f"stopped after step {step} (epoch {epoch}, step {rest} of 5)"
        last = f"epoch-{epoch:04d}-step-{rest:06d}.checkpoint"
        before = [f"epoch-{number:04d}.checkpoint" for number in range(1, epoch)]
        assert names(folder) == [*before[-2:], last]
    stop = StopAt()
    network = start(setting, folder, stop)
    assert set(stop.asked) == set(range(step, 3 * STEPS + 1))  # evaluated anew
    for value, other in zip(state(network), expected, strict=True):
        np.testing.assert_array_equal(value, other)
    assert history(folder) == history(path)
    assert names(folder) == names(path) == ["epoch-0002.checkpoint", "epoch-0003.checkpoint"]


JAX = """
import pathlib, sys
import numpy as np
import keras
from dvn_tf import data
from dvn_tf.training import configuration
from training import test_stopping as tests

experiment = configuration.read_experiment(["gin/quickstart.gin"], [*tests.PARAMS, *sys.argv[2:]])
setting = experiment, [data.load(task) for task in experiment.scenario.tasks]
folder = pathlib.Path(sys.argv[1])
expected = tests.state(tests.start(setting, folder / "whole"))
try:
    tests.start(setting, folder / "run", tests.StopAt(3))
except tests.Stopped as stopped:
    print(stopped, tests.names(folder / "run"))
network = tests.start(setting, folder / "run")
for value, other in zip(tests.state(network), expected, strict=True):
    np.testing.assert_array_equal(value, other)
assert tests.history(folder / "run") == tests.history(folder / "whole")
print(keras.backend.backend(), len(expected))
"""


def test_under_jax(run_python, tmp_path):
    """The state of a network is on the device there, and not in its variables."""
    pytest.importorskip("jax")
    done = run_python(
        JAX,
        args=[tmp_path, "Recipe.epochs = 2"],
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS="--xla_backend_optimization_level=0",
        PYTHONPATH=str(pathlib.Path(__file__).parents[1]),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "stopped after step 3 (epoch 1, step 3 of 5) ['epoch-0001-step-000003.checkpoint']"
    )
    assert lines[1] == "Going on after epoch 1, step 3 of 5."
    backend, variables = lines[2].split()
    assert backend == "jax" and int(variables) > 100
