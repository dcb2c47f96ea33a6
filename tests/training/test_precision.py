"""Mixed precision: late in training, gradients are so small that float16 loses them."""

import dataclasses

import keras
import numpy as np
import pytest

from dvn_tf import data
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.networks.objectives import joint_objective, sequential_objective
from dvn_tf.tasks import TaskInfo
from dvn_tf.training import configuration, fitting
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.units import UnitTable

COMPILED = keras.backend.backend() == "jax"  # for which test_jax runs these tests, too
SETTINGS = ["WideResNet.width = 1", "Recipe.epochs = 3", "Recipe.weight_decay = 0.0"]


@pytest.fixture(scope="module")
def digits():
    experiment = configuration.read_experiment(["gin/quickstart.gin"], SETTINGS)
    return experiment, [data.load(task) for task in experiment.scenario.tasks]


def build(digits, dtype="float32"):
    experiment, task_data = digits
    recipe = dataclasses.replace(experiment.recipe, dtype=dtype)
    return fitting.build_network(experiment.scenario, [d.info for d in task_data], recipe)


def small_network(dtype="float32"):
    """One task with two levels: float16 is slow on processors."""
    task = TaskInfo("digits", 10, (8, 8, 1))
    return DeepVirtualNetwork([task], UnitTable.by_rule(1, 2), WideResNet(8, 1), dtype=dtype)


@pytest.fixture(scope="module")
def late():
    """The weights of a network whose loss on a batch is close to 0, and that batch."""
    keras.utils.set_random_seed(0)
    digits = data.load(data.Task("digits", "digits")).train
    images = {"digits": digits.images[:16].astype("float32")}
    network = small_network()
    labels = dict.fromkeys(network.virtual_networks, digits.labels[:16])
    objective = joint_objective(network.virtual_networks)
    network.compile(keras.optimizers.SGD(0.1, 0.9), jit_compile=COMPILED, **objective)
    history = network.fit(images, labels, batch_size=16, epochs=200, verbose=0)
    assert history.history["loss"][-1] < 0.002  # of two outputs together
    for layer in network.layers:  # as sure of itself as after many more epochs
        if layer.name.endswith("head"):
            layer.set_weights([1.5 * weight for weight in layer.get_weights()])
    assert network.evaluate(images, labels, verbose=0)[0] < 1e-4
    return network.get_weights(), images, labels


def gradients(late, dtype, scaled=True):
    """The gradient of each kernel as it reaches the optimizer: its first velocity."""
    weights, images, labels = late
    network = small_network(dtype)
    network.set_weights(weights)
    objective = joint_objective(network.virtual_networks)
    sgd = keras.optimizers.SGD(1.0, 0.9)
    network.compile(sgd, auto_scale_loss=scaled, jit_compile=COMPILED, **objective)
    for _ in range(10):  # a step whose gradient overflows is left out, and the scale is halved
        network.train_on_batch(images, labels)
        velocities = [np.array(v) for v in sgd.momentums if "kernel" in v.path]
        if any(velocity.any() for velocity in velocities):
            return [-velocity for velocity in velocities]
    raise AssertionError("no step was taken")


def median_error(steps, expected):
    errors = [
        np.linalg.norm(step - exact) / np.linalg.norm(exact)
        for step, exact in zip(steps, expected, strict=True)
    ]
    return np.median(errors)


def test_late_gradients_equal_those_of_float32(late):
    # JAX draws other first weights, which end where rounding counts for more. From TensorFlow's,
    # it errs as TensorFlow does.
    share = 1.5 if keras.backend.backend() == "jax" else 1.0
    expected = gradients(late, "float32")
    assert median_error(gradients(late, "mixed_float16"), expected) < 0.2 * share
    assert median_error(gradients(late, "mixed_float16", scaled=False), expected) > 0.9
    # bfloat16 has 8 significant bits instead of 11, but the range of float32: it needs no scale.
    assert median_error(gradients(late, "mixed_bfloat16"), expected) < 0.3 * share


def test_a_step_that_overflows_is_left_out_and_halves_the_scale(late):
    weights, images, labels = late
    network = small_network("mixed_float16")
    network.set_weights(weights)
    objective = joint_objective(network.virtual_networks)
    network.compile(keras.optimizers.SGD(0.1, 0.9), jit_compile=COMPILED, **objective)
    network.optimizer.build(network.trainable_variables)
    network.optimizer.dynamic_scale.assign(2.0**60)
    before = {v.path: np.array(v) for v in network.trainable_variables}
    network.train_on_batch(images, labels)
    assert float(network.optimizer.dynamic_scale) == 2.0**59
    for variable in network.trainable_variables:
        np.testing.assert_array_equal(variable, before[variable.path])
    assert not any(np.any(velocity) for velocity in network.optimizer.inner_optimizer.momentums)
    network.optimizer.dynamic_scale.assign(2.0**10)
    network.train_on_batch(images, labels)
    assert float(network.optimizer.dynamic_scale) == 2.0**10
    assert any((np.array(v) != before[v.path]).any() for v in network.trainable_variables)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_normalization_keeps_its_statistics_in_single_precision(dtype):
    """Half precision would lose most digits of the sums."""
    network = small_network(dtype)
    [layer, *_] = [x for x in network.layers if isinstance(x, SwitchableBatchNormalization)]
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    assert layer.compute_dtype == dtype.removeprefix("mixed_")
    maps = (
        np.random.default_rng(0).normal(1.0, 1e-3, (64, 8, 8, max(layer.widths))).astype("float32")
    )
    half = keras.ops.cast(maps, layer.compute_dtype)
    outputs = layer([half[..., :width] for width in layer.widths], training=True)
    assert {keras.backend.standardize_dtype(y.dtype) for y in outputs} == {layer.compute_dtype}
    exact = np.asarray(keras.ops.cast(half, "float32"), np.float64)
    expected = np.concatenate([exact[..., :w].mean((0, 1, 2)) for w in layer.widths])
    np.testing.assert_allclose(layer.moving_mean, 0.1 * expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_loss_is_scaled_wherever_float16_computes(digits, dtype):
    experiment, _ = digits
    network = build(digits, dtype)
    first, second = network.tasks
    table, backbone = UnitTable(network.table.rows[:1], 2), network.backbone
    teacher = DeepVirtualNetwork([first], table, backbone, dtype=dtype, name="teacher")
    names = list(network.virtual_networks)
    objectives = [
        (network, joint_objective(network.virtual_networks)),
        (network.extract(first.name, 1), {"loss": "sparse_categorical_crossentropy"}),
        (
            distilling_network(network, teacher, second.name),
            sequential_objective(names[2:], names[:2], 2.0, 1.0),
        ),
    ]
    scaled = dtype == "mixed_float16"
    for model, objective in objectives:
        model.compile("sgd", **objective)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == scaled
    network, objective = objectives[0]
    fitting.compile_network(
        network, dataclasses.replace(experiment.recipe, dtype=dtype), 3, objective
    )
    assert isinstance(network.optimizer, keras.optimizers.LossScaleOptimizer) == scaled


def test_the_scale_is_kept_through_a_resume(digits, tmp_path):
    experiment, task_data = digits
    # A schedule that does not depend on the number of epochs.
    recipe = dataclasses.replace(experiment.recipe, dtype="mixed_float16", schedule="constant")

    def train(folder, epochs):
        fitting.prepare_backend(recipe)
        network = build(digits, "mixed_float16")
        objective = joint_objective(network.virtual_networks)
        args = (network, task_data, network.outputs_by_task, objective)
        fitting.train(*args, dataclasses.replace(recipe, epochs=epochs), folder)
        return network

    whole = train(RunFolder(tmp_path / "whole"), 3)
    folder = RunFolder(tmp_path / "interrupted")
    train(folder, 2)
    resumed = train(folder, 3)
    scales = [float(network.optimizer.dynamic_scale) for network in (whole, resumed)]
    assert scales[0] == scales[1]
    counters = [int(network.optimizer.step_counter) for network in (whole, resumed)]
    assert counters[0] == counters[1] > 0
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
