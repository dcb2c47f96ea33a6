"""Short runs of every method on the digits, watched while they train."""

import contextlib
import dataclasses
import pathlib

import numpy as np
import pytest

from dvn_tf import data
from dvn_tf.data import digits, pipelines
from dvn_tf.networks.network import DeepVirtualNetwork, load_network
from dvn_tf.training import configuration, runs
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.run_folder import RunFolder

SHORT = ("WideResNet.width = 1", "Recipe.batch_size = 64", "Task.train_examples = 100")
THREE_TASKS = (
    "Scenario.tasks = [@low/Task(), @middle/Task(), @high/Task()]",
    "low/Task.name = 'digits_0-2'",
    "low/Task.classes = '0-2'",
    "middle/Task.name = 'digits_3-5'",
    "middle/Task.classes = '3-5'",
    "high/Task.name = 'digits_6-9'",
    "high/Task.classes = '6-9'",
)
JOINT, SEQUENTIAL = "gin/quickstart.gin", "gin/quickstart_sequential.gin"
LOW, HIGH = "digits_0-4", "digits_5-9"

# {name of a run: (scenario, method, settings)}; of LwF's three epochs the first is its warm-up.
RUNS = {
    "joint dvn": (JOINT, "dvn", ("Recipe.epochs = 2",)),
    "joint nestednet": (JOINT, "nestednet", ("Recipe.epochs = 2",)),
    "nestednet_single": (JOINT, "nestednet_single", ("Recipe.epochs = 1",)),
    # A decay that every weight feels in a few steps, unless it is frozen.
    "packnet": (
        JOINT,
        "packnet",
        (*THREE_TASKS, "Recipe.epochs = 2", "Recipe.weight_decay = 0.05"),
    ),
    "baseline": (
        JOINT,
        "baseline",
        (
            "Recipe.epochs = 1",
            "Scenario.tasks = [@low/Task()]",
            "Baseline.backbones = (@WideResNet(), @wide/WideResNet())",
            "wide/WideResNet.width = 2",
        ),
    ),
    "separate": (JOINT, "separate", ("Recipe.epochs = 1",)),
    "dvn": (SEQUENTIAL, "dvn", (*THREE_TASKS, "Recipe.epochs = 2")),
    "nestednet": (SEQUENTIAL, "nestednet", ("Recipe.epochs = 3",)),
    "lwf": (SEQUENTIAL, "lwf", ("Recipe.epochs = 3",)),
    "feature_extraction": (SEQUENTIAL, "feature_extraction", ("Recipe.epochs = 3",)),
    "da_cnn": (SEQUENTIAL, "da_cnn", ("Recipe.epochs = 3",)),
}


def experiment_of(name: str, *params: str) -> Experiment:
    """The settings of a run, with further ones on top."""
    scenario, method, settings = RUNS[name]
    return configuration.read_experiment(
        [scenario, f"gin/methods/{method}.gin"], [*SHORT, *settings, *params]
    )


@dataclasses.dataclass
class Trained:
    """What was seen of one stage: its network's weights around its training, and what moved."""

    network: DeepVirtualNetwork
    before: dict[str, np.ndarray]  # {path of a weight: values}
    after: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class WatchedRun:
    """A finished run.

    `touched` lists, for each stage and then for what comes after the last, which digits were read
    and which tasks' pipelines were built.
    """

    experiment: Experiment
    path: pathlib.Path
    results: dict
    stages: dict[str, Trained]
    touched: list[dict[str, set]]

    def load(self, stage: str = "") -> DeepVirtualNetwork:
        """The network that lies in the run's folder, or in a stage's."""
        return load_network(self.path / stage / "model.keras")


def weights_of(network) -> dict[str, np.ndarray]:
    """Copies of all weights, {path: values}."""
    return {weight.path: np.array(weight) for weight in network.weights}


def watch(experiment: Experiment, path: pathlib.Path, initial_run=None) -> WatchedRun:
    """Runs an experiment, and looks on."""
    stages, touched = {}, [{"digits": set(), "pipelines": set()}]
    originals = {
        "train_stage": runs.train_stage,
        "write_stage": RunFolder.write_stage,
        "read": digits.Digits.read,
        "training_dataset": pipelines.training_dataset,
        "evaluation_dataset": pipelines.evaluation_dataset,
    }

    def train_stage(stage, network, *args):
        stages[stage.name] = Trained(network, weights_of(network))
        record = originals["train_stage"](stage, network, *args)
        stages[stage.name].after = weights_of(network)
        return record

    def write_stage(folder, record):
        originals["write_stage"](folder, record)
        touched.append({"digits": set(), "pipelines": set()})

    def read(source, split, select):
        images, labels = originals["read"](source, split, select)
        touched[-1]["digits"] |= set(labels.tolist())
        return images, labels

    def pipeline(name):
        def build(task_data, *args):
            touched[-1]["pipelines"] |= {one.task.name for one in task_data}
            return originals[name](task_data, *args)

        return build

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "train_stage", train_stage)
        patch.setattr(RunFolder, "write_stage", write_stage)
        patch.setattr(digits.Digits, "read", read)
        for name in ("training_dataset", "evaluation_dataset"):
            patch.setattr(pipelines, name, pipeline(name))
        results = runs.run(experiment, RunFolder(path), initial_run=initial_run)
    return WatchedRun(experiment, path, results, stages, touched)


class Stopped(Exception):
    """Stands for whatever ends a program in the middle of its work."""


@contextlib.contextmanager
def stop_after(stage: str, epoch: int):
    """Ends a run right after the checkpoint of an epoch of a stage is written."""
    save = RunFolder.save_checkpoint

    def save_and_stop(folder, network, reached):
        save(folder, network, reached)
        if (folder.path.name, reached.epochs) == (stage, epoch):
            raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(RunFolder, "save_checkpoint", save_and_stop)
        yield


def files_of(folder: pathlib.Path) -> dict:
    """The content of every file below a folder, and when it was written."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def images_to_test_on(experiment: Experiment) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{task: (images, labels)} of the test images."""
    task_data = [data.load(task) for task in experiment.scenario.tasks]
    return {d.task.name: (d.test.images.astype("float32"), d.test.labels) for d in task_data}


def logits_of(network, images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a network makes of images of its tasks, as arrays."""
    outputs = network({task: images[task] for task in network.input}, training=False)
    return {name: np.asarray(logits) for name, logits in outputs.items()}
