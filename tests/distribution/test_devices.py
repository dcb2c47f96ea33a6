"""Several devices of one process, which XLA makes of the processor."""

import json

import pytest

from dvn_tf.distribution import ALONE, Place, joined
from dvn_tf.distribution.devices import data_parallel
from dvn_tf.errors import UserError

# In double precision, rounding errors stay small at any rate: what is left is a mistake.
TRAIN = """
import contextlib, json, sys
import keras, numpy as np
from dvn_tf.distribution import ALONE
from dvn_tf.distribution.devices import data_parallel
from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.lower_batches import LowerBatches
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.one_level import OneLevel
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.networks.self_distillation import self_distilling_network
from dvn_tf.tasks import TaskInfo
from dvn_tf.training.fitting import compile_network
from dvn_tf.training.recipe import Recipe
from dvn_tf.units import UnitTable

keras.config.set_floatx("float64")
keras.utils.set_random_seed(0)
draw = np.random.default_rng(0)
tasks = [TaskInfo("a", 3, (8, 8, 1)), TaskInfo("b", 4, (8, 8, 1))]
x = {t.name: draw.integers(0, 256, (48, *t.image_shape)).astype("uint8") for t in tasks}
labels = {t.name: draw.integers(0, t.num_classes, 48).astype("int32") for t in tasks}
with data_parallel(ALONE, 12):
    net = DeepVirtualNetwork(tasks, UnitTable.by_rule(2), WideResNet(8, 1), dtype="float64")
    objective = joint_objective(net.virtual_networks)
    compile_network(net, Recipe(epochs=2, batch_size=12), 4, objective)
    y = {name: labels[name.partition("/")[0]] for name in net.virtual_networks}
    history = net.fit(x, y, batch_size=12, epochs=2, shuffle=False, verbose=0).history
    moving = {
        v.path: keras.ops.convert_to_numpy(v).tolist()
        for v in net.variables if "moving" in v.path
    }
    cheaper = {}
    for name, wrap in (("share", lambda net: LowerBatches(net, 12)), ("one", OneLevel)):
        keras.utils.set_random_seed(0)
        model = wrap(
            DeepVirtualNetwork(tasks, UnitTable.by_rule(2), WideResNet(8, 1), dtype="float64")
        )
        model.level = 1  # of one level a step
        compile_network(model, Recipe(epochs=1, batch_size=12), 4, objective)
        cheaper[name] = model.fit(x, y, batch_size=12, shuffle=False, verbose=0).history
    devices = len(net.variables[0].value.sharding.device_set)
    image = keras.Input((8, 8, 1), name="a")
    pixels = keras.layers.Rescaling(1 / 255)(keras.layers.Flatten()(image))
    logits = {f"a/level{n}": keras.layers.Dense(3)(pixels[:, : 32 * n]) for n in (1, 2)}
    small = keras.Model({"a": image}, logits)
    small = self_distilling_network(small, {"a": list(logits)}, 5.0, 2.0, ramp_steps=6)
    compile_network(small, Recipe(epochs=2, batch_size=12), 4, joint_objective(logits))
    y = dict.fromkeys(logits, labels["a"])
    losses = small.fit(x, y, batch_size=12, epochs=2, shuffle=False, verbose=0).history
refused = {}
for batch, most in ((13, None), (12, 5), (12, 2), (13, 1)):
    try:
        with data_parallel(ALONE, batch, most):
            variable = keras.Variable(np.zeros(3))
            refused[most] = len(variable.value.sharding.device_set)
    except UserError as error:
        refused[most] = str(error)
print(json.dumps([history, moving, losses, cheaper, devices, list(refused.values())]))
"""


@pytest.fixture(scope="module")
def trained(run_python):
    def train(devices):
        done = run_python(
            TRAIN,
            KERAS_BACKEND="jax",
            JAX_PLATFORMS="cpu",
            JAX_ENABLE_X64="1",
            XLA_FLAGS="--xla_backend_optimization_level=0 "
            f"--xla_force_host_platform_device_count={devices}",
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return train(1), train(4)


def test_four_devices_learn_what_one_learns(trained):
    (history, moving, *_), (their_history, their_moving, *_, devices, _) = trained
    assert devices == 4
    assert len(moving) >= 2
    for name, losses in history.items():
        assert their_history[name] == pytest.approx(losses, abs=1e-5), name
    for path, values in moving.items():
        assert their_moving[path] == pytest.approx(values, abs=1e-4), path
    assert history["loss"][0] > history["loss"][-1] + 0.1


def test_levels_teach_each_other_on_four_devices_as_on_one(trained):
    (_, _, losses, *_), (_, _, their_losses, *_) = trained
    for name, values in losses.items():
        assert their_losses[name] == pytest.approx(values, rel=1e-6), name
    entropies = sum(losses[f"a/level{level}_cross_entropy"][1] for level in (1, 2))
    assert losses["loss"][1] > entropies + 0.01


def test_cheaper_steps_on_four_devices_are_those_on_one(trained):
    (_, _, _, cheaper, *_), (_, _, _, theirs, *_) = trained
    for name in ("share", "one"):
        for figure, values in cheaper[name].items():
            assert theirs[name][figure] == pytest.approx(values, rel=1e-6), (name, figure)
    assert cheaper["share"]["loss"] != cheaper["one"]["loss"]


def test_batches_and_devices_that_do_not_fit(trained):
    _, (*_, refused) = trained
    odd, too_many, two, one = refused
    assert odd.startswith("a batch of 13 images cannot be divided evenly among 4 devices: make ")
    assert too_many == "5 devices were asked for, and JAX sees 4: lower --devices"
    assert (two, one) == (2, 1)


def test_tensorflow_is_told_what_to_use_instead():
    with pytest.raises(UserError, match="set KERAS_BACKEND=jax"):
        data_parallel(ALONE, 12, 2)
    data_parallel(ALONE, 12, 1)
    with (
        pytest.raises(UserError, match="2 processes train together on JAX alone: set KERAS_BACKE"),
        joined(Place(0, 2, "127.0.0.1", 1)),
    ):
        pass
