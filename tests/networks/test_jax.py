"""The same network trained under the backends TensorFlow and JAX, each in its own process."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import dvn_tf

pytest.importorskip("jax")

ROOT = pathlib.Path(dvn_tf.__file__).parents[1]

BUILD = """
import sys, json
import keras
import numpy as np
import dvn_tf

def build():
    tasks = [dvn_tf.TaskInfo("a", 3, (8, 8, 3)), dvn_tf.TaskInfo("b", 4, (16, 16, 3))]
    network = dvn_tf.DeepVirtualNetwork(
        tasks,
        dvn_tf.UnitTable.by_rule(2),
        dvn_tf.WideResNet(8, 1),
        dvn_tf.UnitPartition((0.6, 0.4)),
        weight_decay=1e-3,
    )
    network.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        **dvn_tf.joint_objective(network.virtual_networks),
    )
    return network

def batches(steps, size):
    rng = np.random.default_rng(0)
    for _ in range(steps):
        images = {
            "a": rng.uniform(0, 255, (size, 8, 8, 3)),
            "b": rng.uniform(0, 255, (size, 16, 16, 3)),
        }
        a, b = rng.integers(0, 3, size), rng.integers(0, 4, size)
        yield (
            {name: image.astype("float32") for name, image in images.items()},
            {"a/level1": a, "a/level2": a, "b/level1": b, "b/level2": b},
        )
"""

TRAIN = (
    BUILD
    + """
keras.utils.set_random_seed(int(sys.argv[2]))
network = build()
if sys.argv[1] == "first":
    network.save_weights("initial.weights.h5")
else:
    network.load_weights("initial.weights.h5")
initial = [np.array(weight) for weight in network.weights]
losses = [
    {name: float(value) for name, value in network.train_on_batch(x, y, return_dict=True).items()}
    for x, y in batches(steps=4, size=6)
]
network.save_weights(f"{sys.argv[1]}.weights.h5")
final = {weight.path: np.asarray(weight) for weight in network.weights}
moved = max(float(np.abs(a - b).max()) for a, b in zip(initial, final.values()))
[(x, _)] = batches(steps=1, size=6)
logits = {name: np.asarray(y) for name, y in network(x, training=False).items()}
np.savez(f"{sys.argv[1]}.npz", **final)
np.savez(f"{sys.argv[1]}_logits.npz", **logits)
print(json.dumps({"backend": keras.backend.backend(), "losses": losses, "moved": moved}))
"""
)

WITHOUT_TENSORFLOW = (
    """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_datasets", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
    + BUILD
    + """
from dvn_tf.networks.network import uncompiled
keras.utils.set_random_seed(1)
network = build()
[(x, y)] = batches(steps=1, size=24)
history = network.fit(x, y, batch_size=8, epochs=3, verbose=0).history
network.save("network.keras")
again = keras.saving.load_model("network.keras")
logits, reloaded = network.predict(x, verbose=0), again.predict(x, verbose=0)
plain = network.extract("b", 1).predict(x["b"], verbose=0)
copy = uncompiled(network)
before = copy.get_weights()
copy.compile(keras.optimizers.SGD(0.05), **dvn_tf.joint_objective(network.virtual_networks))
copy.train_on_batch(x, y)
apart = [bool((a == b).all()) for a, b in zip(before, network.get_weights())]
print(json.dumps({
    "backend": keras.backend.backend(),
    "tensorflow": "tensorflow" in sys.modules,
    "losses": history["loss"],
    "apart": all(apart) and any(bool((a != b).any()) for a, b in zip(before, copy.get_weights())),
    "reloaded": all(bool((logits[name] == reloaded[name]).all()) for name in logits),
    "extracted": float(abs(plain - logits["b/level1"]).max()),
}))
"""
)


def run(script, folder, backend, *arguments):
    """The JSON that a script prints last under a Keras backend."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles in half the time
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == backend
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of two runs from the same weights: TensorFlow's first, JAX's after it."""
    folder = tmp_path_factory.mktemp("backends")
    first = run(TRAIN, folder, "tensorflow", "first", 1)
    second = run(TRAIN, folder, "jax", "second", 2)  # another seed: weights come from the file
    return folder, first, second


def test_losses_and_metrics_agree(runs):
    _, first, second = runs
    assert len(first["losses"]) == len(second["losses"]) == 4
    for a, b in zip(first["losses"], second["losses"], strict=True):
        assert a.keys() == b.keys()
        assert {"loss", "a/level1_accuracy", "b/level2_cross_entropy"} < a.keys()
        for name in a:
            assert b[name] == pytest.approx(a[name], abs=1e-4), name
    assert first["losses"][0]["loss"] != pytest.approx(first["losses"][-1]["loss"], abs=1e-2)


def test_weights_after_the_steps_agree(runs):
    folder, first, second = runs
    a, b = np.load(folder / "first.npz"), np.load(folder / "second.npz")
    assert set(a) == set(b)
    for path in a:
        np.testing.assert_allclose(b[path], a[path], atol=1e-4, err_msg=path)
    assert min(first["moved"], second["moved"]) > 0.05  # they have been trained


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_weights_of_jax_load_here(runs):
    folder, *_ = runs
    namespace = {}
    exec(BUILD, namespace)
    network = namespace["build"]()
    network.load_weights(folder / "second.weights.h5")
    [(images, _)] = namespace["batches"](steps=1, size=6)
    expected = np.load(folder / "second_logits.npz")
    for name, logits in network(images, training=False).items():
        np.testing.assert_allclose(logits, expected[name], atol=1e-4)


def test_jax_trains_from_arrays_where_tensorflow_is_not_installed(tmp_path):
    found = run(WITHOUT_TENSORFLOW, tmp_path, "jax")
    assert not found["tensorflow"]
    assert found["losses"][-1] < found["losses"][0]
    assert found["reloaded"]
    assert found["apart"]  # a copy of a network that is trained leaves the network alone
    assert found["extracted"] < 1e-4


COMPILED = (
    BUILD
    + """
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.training.fitting import compile_network
from dvn_tf.training.recipe import Recipe

network = build()
compile_network(network, Recipe(), 1, joint_objective(network.virtual_networks))
print(json.dumps({"backend": keras.backend.backend(), "compiled": network.jit_compile}))
"""
)


@pytest.mark.parametrize(("backend", "compiled"), [("jax", True), ("tensorflow", False)])
def test_jax_compiles_the_step_without_being_asked(tmp_path, backend, compiled):
    """Without its compiler, JAX takes several times as long for a step."""
    assert run(COMPILED, tmp_path, backend)["compiled"] is compiled
