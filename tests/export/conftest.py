"""Networks and a finished run to export, and real images to compare them on."""

import numpy as np
import pytest

import dvn_tf
from dvn_tf import data
from dvn_tf.export.formats import checked_formats
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.runs import run

# Put before code that runs in a process of its own: what an exported file must not need.
BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="session")
def block():
    """A function that gives code which makes the import of some packages fail."""
    return lambda *packages: BLOCK.format(blocked=packages)


@pytest.fixture(scope="session")
def digits():
    """The digits as the two tasks of the quickstart, {name: TaskData}."""
    tasks = [data.Task("low", "digits", classes="0-4"), data.Task("high", "digits", classes="5-9")]
    return {task.name: data.load(task) for task in tasks}


@pytest.fixture(scope="session", params=["WRN", "ResNet"])
def network(request, digits):
    """A network with batch statistics such as training leaves, so that folding has to work."""
    backbones = {"WRN": dvn_tf.WideResNet(8, 2), "ResNet": dvn_tf.ResNet(10, 16)}
    tasks = [task.info for task in digits.values()]
    table = dvn_tf.UnitTable((((1,), (1, 2)), ((3,), (2, 3))), 3)
    made = dvn_tf.DeepVirtualNetwork(
        tasks, table, backbones[request.param], dvn_tf.UnitPartition((0.3, 0.3, 0.4))
    )
    randomize(made)
    return made


def randomize(network, seed=0):
    """Gives batch normalization random statistics, scales and offsets."""
    generator = np.random.default_rng(seed)
    for weight in network.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 2, weight.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            weight.assign(generator.normal(0, 0.3, weight.shape))


@pytest.fixture
def format_name(request):
    """The name of a format, the test skipped where its packages are missing."""
    try:
        checked_formats([request.param])
    except dvn_tf.UserError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A run folder of the quickstart, narrower and shorter, but trained."""
    folder = tmp_path_factory.mktemp("export") / "run"
    params = ["Recipe.epochs = 8", "WideResNet.width = 1"]
    run(configuration.read_experiment(["gin/quickstart.gin"], params), RunFolder(folder))
    return folder
