"""How the backends are set up before a network is built."""

import keras
import pytest

from dvn_tf.training import configuration, fitting
from dvn_tf.training.recipe import Recipe


class Recording(keras.Model):
    """Knows what it was compiled with. Keras itself forgets XLA where TensorFlow cannot have it."""

    def compile(self, *arguments, jit_compile, **settings):
        self.with_xla = jit_compile
        super().compile(*arguments, jit_compile=jit_compile, **settings)


@pytest.mark.parametrize(
    ("setting", "on_gpu", "compiled"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_tensorflow_compiles_on_gpus_unless_the_recipe_says_otherwise(
    monkeypatch, setting, on_gpu, compiled
):
    monkeypatch.setattr(fitting, "tensorflow_computes_on_gpu", lambda: on_gpu)
    features = keras.Input((2,))
    network = Recording(features, keras.layers.Dense(2)(features))
    loss = {"loss": "sparse_categorical_crossentropy"}
    fitting.compile_network(network, Recipe(jit_compile=setting), 1, loss)
    assert network.with_xla is compiled


def test_the_settings_of_a_step_are_no_part_of_a_recipe():
    settings = ["Recipe.jit_compile = True", "Recipe.merge_streams = True"]
    experiments = [configuration.read_experiment(["gin/quickstart.gin"], p) for p in ([], settings)]
    assert experiments[0].recipe == experiments[1].recipe
    assert experiments[1].recipe.jit_compile and experiments[1].recipe.merge_streams
    assert (
        experiments[0].recipe
        != configuration.read_config(["gin/quickstart.gin"], ["Recipe.momentum = 0.8"])[1]
    )


BESIDE_JAX = """
import sys
import tensorflow as tf
from tensorflow.python.eager import context
from dvn_tf.training import configuration, fitting, runs
from dvn_tf.training.run_folder import RunFolder

class Prepared(Exception):
    pass

def prepare(recipe):
    # Later it would be too late to take the GPUs away.
    print("begun" if context.context()._context_handle else "not begun")
    before(recipe)
    raise Prepared

def hide(devices, kind):
    print(devices, kind)

before, fitting.prepare_backend = fitting.prepare_backend, prepare
tf.config.set_visible_devices = hide
try:
    runs.run(configuration.read_experiment(["gin/j1_cifar.gin"]), RunFolder(sys.argv[1]))
except Prepared:
    pass
"""


@pytest.mark.slow
def test_tensorflow_gets_no_gpu_beside_jax(run_python, tmp_path):
    pytest.importorskip("jax")
    done = run_python(BESIDE_JAX, args=[tmp_path / "run"], KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["not begun", "[] GPU"]
