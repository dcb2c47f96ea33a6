"""Parts of training that `test_backends` does under TensorFlow and under JAX.

As a program under another backend, it does all of them in one folder, see `main`.
"""

import contextlib
import json
import pathlib
import shutil
import sys

import keras
from methods.short_runs import stop_after

from dvn_tf import data
from dvn_tf.data import pipelines
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import configuration, fitting, runs
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stages import compile_stage, stage_network

STEPS = 20
NARROW = ("WideResNet.width = 1", "Recipe.epochs = 3")
# Seven steps an epoch, so slow that rounding does not grow much.
SHORT = (*NARROW, "Task.train_examples = 40", "Recipe.learning_rate = 0.02")
SCENARIOS = {"joint": "gin/quickstart.gin", "distillation": "gin/quickstart_sequential.gin"}


def losses_of_first_steps(kind: str, folder: pathlib.Path) -> list[dict[str, float]]:
    """The losses of the first steps of the last stage, on the pipeline's batches.

    In double precision: after some steps in single precision, an activation close to 0 has
    another sign here than there, and its whole gradient makes the difference.

    Args:
        kind: a key of `SCENARIOS`.
        folder: has the first weights as `<kind>.weights.h5`, or gets them.
    """
    experiment = configuration.read_experiment([SCENARIOS[kind]], NARROW)
    recipe = experiment.recipe
    object.__setattr__(recipe, "dtype", "float64")  # which no setting may ask for
    fitting.prepare_backend(recipe)
    task_data = {task.name: data.load(task) for task in experiment.scenario.tasks}
    networks: dict[str, DeepVirtualNetwork] = {}
    for stage in experiment.method.stages(experiment.scenario, recipe.epochs):
        infos = [task_data[name].info for name in stage.tasks]
        networks[stage.name] = stage_network(stage, infos, recipe, 8, networks)
    learned = [task_data[name] for name in stage.learned]
    model, outputs = compile_stage(stage, networks[stage.name], learned, recipe, networks)
    weights = folder / f"{kind}.weights.h5"
    if weights.exists():
        model.load_weights(weights)
    else:
        model.save_weights(weights)
    batches = pipelines.training_dataset(learned, outputs, recipe.batch_size, 0, 0, recipe.epochs)
    losses = []
    for images, labels in batches.take(STEPS).as_numpy_iterator():
        logs = model.train_on_batch(images, labels, return_dict=True)
        losses.append({name: float(value) for name, value in logs.items()})
        model.reset_metrics()
    return losses


@contextlib.contextmanager
def double_precision():
    """Everything that Keras makes is float64."""
    keras.config.set_floatx("float64")
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        keras.config.set_floatx("float32")


def begin(path: pathlib.Path) -> None:
    """Trains two epochs of three, and finishes a copy of the run under the same backend."""
    with stop_after(path.name, 2):
        finish(path)
    whole = path.with_name(f"{path.name}_whole")
    shutil.copytree(path, whole)
    finish(whole)


def finish(path: pathlib.Path, *params: str) -> dict:
    """What is left of three epochs; returns the results."""
    experiment = configuration.read_experiment([SCENARIOS["joint"]], [*SHORT, *params])
    keras.utils.clear_session()
    return runs.run(experiment, RunFolder(path))


def main(folder: pathlib.Path) -> None:
    """Finishes the run `begun_there`, begins another, and takes the first steps."""
    # How a step gets its images makes no difference either.
    finish(folder / "begun_there", "Recipe.images_on_device = True")
    begin(folder / "begun_here")
    with double_precision():
        losses = {kind: losses_of_first_steps(kind, folder) for kind in SCENARIOS}
    (folder / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
