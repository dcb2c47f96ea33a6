"""The benchmark: what it compares, and what it prints."""

import re

import pytest

from dvn_tf.benchmarks import training_step
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import configuration

NARROWED = ("WideResNet.width = 1", "Recipe.batch_size = 4")


def test_the_ratio_is_the_median_of_the_rounds():
    """Not the ratio of the medians: the machine's speed may change between rounds."""
    times = training_step.StepTimes([1.0, 8.0, 3.0], [2.0, 4.0, 6.0], 1.0, 1)
    assert times.ratio == 0.5


def test_the_separate_networks_are_the_virtual_ones_alone(monkeypatch):
    """Each round times one step of the network and one of every stock network of its widths."""
    experiment = configuration.read_experiment(["gin/quickstart.gin"], NARROWED)
    networks, steps = [], []

    def step(network, images, labels):
        networks.append(network)
        return lambda: steps.append(network)

    monkeypatch.setattr(training_step, "_step", step)
    times = training_step.step_times(experiment, rounds=2)
    whole, *separate = networks
    assert isinstance(whole, DeepVirtualNetwork)
    assert [plain.count_params() for plain in separate] == [
        whole.extract(task.name, level).count_params()
        for task, level, _ in whole.virtual_networks.values()
    ]
    for plain in separate:
        assert {type(layer).__module__.partition(".")[0] for layer in plain.layers} == {"keras"}
        assert plain.optimizer.nesterov and plain.optimizer.momentum == 0.9
    assert steps[-5:] == networks
    assert len(times.network) == len(times.separate) == 2


@pytest.mark.parametrize("name", ["one_level", "lower_batches", "causal", "self_distillation"])
def test_a_setting_of_the_dvn_is_timed_as_a_run_trains_it(monkeypatch, name):
    files = ["gin/quickstart.gin", f"gin/learning/{name}.gin"]
    experiment = configuration.read_experiment(files, NARROWED)
    trained = []
    train_on_batch = training_step.keras.Model.train_on_batch

    def watched(model, *args):
        trained.append((model.name, getattr(model, "level", None)))
        return train_on_batch(model, *args)

    monkeypatch.setattr(training_step.keras.Model, "train_on_batch", watched)
    times = training_step.step_times(experiment, rounds=1)
    ours = [step for step in trained if step[0] == trained[0][0]]
    if name == "one_level":  # the first, two to warm up, and the one that counts
        assert [level for _, level in ours] == [1, 2] * 5
    assert times.network[0] > 0
    assert experiment.method_title in training_step.report(experiment, times, 1.0)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_program_prints_its_figures(run_program, backend):
    version = pytest.importorskip(backend).__version__
    args = [f"--gin_param={param}" for param in NARROWED]
    done = run_program(
        *("experiments.benchmark", "--gin_file=gin/quickstart.gin", *args, "--rounds=2"),
        KERAS_BACKEND=backend,
        XLA_FLAGS="--xla_backend_optimization_level=0",  # compiles in half the time
    )
    assert done.returncode == 0, done.stderr
    assert f", {backend} {version}, Keras " in done.stdout
    figures = dict(re.findall(r"^(\w[\w ,-]+?)  +([\d.]+)", done.stdout, re.MULTILINE))
    assert set(figures) == {
        "step of the 4-fold network",
        "steps of 4 separate networks",
        "ratio, median of the rounds",
        "start of process to first step",
        "peak memory",
        "images consumed by the steps",
        "images from the pipeline alone",
    }
    assert all(float(figure) > 0 for figure in figures.values())
    consumed, step = (
        float(figures["images consumed by the steps"]),
        float(figures["step of the 4-fold network"]),
    )
    assert consumed == pytest.approx(2 * 4 / step, rel=0.1)  # two tasks, batches of 4
