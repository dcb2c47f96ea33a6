"""Fits a network by a recipe, with checkpoints from which an interrupted run continues."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from dvn_tf.data import TaskData, pipelines
from dvn_tf.errors import UserError
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo
from dvn_tf.training import callbacks, device_images
from dvn_tf.training.optimizer import make_optimizer
from dvn_tf.training.recipe import Recipe, evaluated_epochs
from dvn_tf.training.run_folder import RunFolder


def prepare_backend(recipe: Recipe) -> None:
    """Seeds everything random and sets TensorFlow up. Call it before any network is built.

    Under JAX, TensorFlow reads the images alone and gets no GPU: it would take all memory of one.

    Raises:
        UserError: if the recipe asks for what the backend cannot do.
    """
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")
    elif recipe.images_on_device:
        raise UserError(
            "Recipe.images_on_device needs Keras to run on JAX: set KERAS_BACKEND=jax, or leave it "
            "out"
        )
    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic and not tensorflow_computes_on_gpu():
        tf.config.experimental.enable_op_determinism()
    rewrite_graphs(tensorflow_computes_on_gpu())


def tensorflow_computes_on_gpu() -> bool:
    """Whether TensorFlow has a GPU, which it has under JAX only until `prepare_backend`."""
    return bool(tf.config.get_visible_devices("GPU"))


def rewrite_graphs(wanted: bool) -> None:
    """Switches TensorFlow's rewriting of graphs (Grappler) for functions called from now on.

    On a CPU, rewriting the graph of a k x n_h network takes longer than it ever saves, see
    docs/speed.md. On a GPU it chooses the layout of the convolutions.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not wanted})


def build_network(
    scenario: Scenario, tasks: Sequence[TaskInfo], recipe: Recipe
) -> DeepVirtualNetwork:
    """The network of a scenario, not compiled.

    Args:
        scenario: table, partition and backbone.
        tasks: what is known of the scenario's tasks, in their order.
        recipe: gives weight decay and precision.
    """
    return DeepVirtualNetwork(
        tasks,
        scenario.table,
        scenario.backbone,
        scenario.partition,
        weight_decay=recipe.weight_decay,
        map_size=scenario.map_size,
        dtype=recipe.dtype,
        merge_streams=recipe.merge_streams,
        name="deep_virtual_network",
    )


def compile_network(
    network: keras.Model, recipe: Recipe, steps_per_epoch: int, objective: dict
) -> None:
    """Compiles a network and creates all variables that its training needs.

    Keras creates the variables of optimizer and metrics in the first step, and TensorFlow traces a
    step a second time if the first trace created variables. For a k x n_h network, a trace takes
    many seconds. Where the network computes in float16, Keras scales the loss, so that small
    gradients do not vanish.

    Args:
        network: any functional model with logits, or a dict of them, as output.
        recipe: gives optimizer and schedule.
        steps_per_epoch: steps of an epoch.
        objective: arguments for `compile`, such as `objectives.joint_objective` gives.
    """
    network.compile(
        make_optimizer(recipe, steps_per_epoch), jit_compile=_with_xla(recipe), **objective
    )
    network.optimizer.build(network.trainable_variables)
    logits = keras.tree.map_structure(
        lambda output: keras.ops.zeros((1, *output.shape[1:])), network.output
    )
    labels = keras.tree.map_structure(lambda _: keras.ops.zeros((1,), "int32"), network.output)
    network.compute_loss(y=labels, y_pred=logits)
    network.compute_metrics(x=None, y=labels, y_pred=logits)
    network.reset_metrics()


def _with_xla(recipe: Recipe) -> bool:
    # JAX is several times slower without its compiler.
    if keras.backend.backend() == "jax":
        return True
    # On CPUs, TensorFlow is slower with it, see docs/speed.md.
    return tensorflow_computes_on_gpu() if recipe.jit_compile is None else recipe.jit_compile


def train(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    objective: dict,
    recipe: Recipe,
    folder: RunFolder,
    observers: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains a network, from the newest checkpoint in the folder if there is one.

    The order and augmentation of images depend on the seed and the epoch alone, and a checkpoint
    has everything else. An interrupted run therefore ends with the same weights as an
    uninterrupted one.

    Args:
        network: the network to fit, not compiled.
        task_data: the images to learn from, of the network's inputs.
        outputs: {task: the network's outputs that learn from its images}.
        objective: arguments for `compile`, as `dvn_tf.networks.objectives` gives them.
        recipe: the hyper-parameters.
        folder: the run's folder.
        observers: callbacks that print or log; a run's are `Progress` and `TensorBoard`.

    Raises:
        UserError: if a batch is larger than a task's images, a checkpoint is damaged, or
            the loss becomes NaN or infinite.
    """
    steps = pipelines.steps_per_epoch(task_data, recipe.batch_size)
    compile_network(network, recipe, steps, objective)
    fit(network, task_data, outputs, recipe, folder, observers)


def fit(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    recipe: Recipe,
    folder: RunFolder,
    observers: Sequence[keras.callbacks.Callback] = (),
) -> list[dict]:
    """Trains a compiled network, see `train`.

    Returns:
        The logs of all epochs.

    Raises:
        UserError: as `train`.
    """
    epochs_done, history = folder.restore(network)
    if epochs_done:
        folder.write_history(history)  # which a kill may have left an epoch ahead
    if epochs_done >= recipe.epochs:
        return history
    saving = callbacks.SaveEpochs(folder, history)
    if epochs_done:
        print(f"Going on after epoch {epochs_done} of {recipe.epochs}.", flush=True)
    batches = device_images if recipe.images_on_device else pipelines
    network.fit(
        batches.training_dataset(
            task_data, outputs, recipe.batch_size, recipe.seed, epochs_done, recipe.epochs
        ),
        epochs=recipe.epochs,
        initial_epoch=epochs_done,
        steps_per_epoch=pipelines.steps_per_epoch(task_data, recipe.batch_size),
        validation_data=batches.evaluation_dataset(task_data, outputs, recipe.batch_size),
        validation_freq=evaluated_epochs(recipe.epochs, recipe.evaluate_every),
        shuffle=False,  # the pipeline shuffles
        verbose=0,  # the observers say what there is to say
        callbacks=[
            callbacks.StopWhenNotFinite(folder),
            *observers,
            saving,
        ],
    )
    return saving.history


def evaluate(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    batch_size: int,
) -> dict[str, dict[str, float]]:
    """Measures every output that has labels on its task's whole test split.

    Args:
        network: a compiled network.
        task_data: the images of the network's inputs.
        outputs: {task: the network's outputs that read its images}.
        batch_size: images of each task at a time.

    Returns:
        {"task/level1": {"correct", "total", "accuracy", "loss"}, ...}: how many of how many
        images were classified correctly, their quotient, and the mean cross-entropy. An output
        that is distilled has none.
    """
    dataset = pipelines.evaluation_dataset(task_data, outputs, batch_size)
    return _measured(network.evaluate(dataset, return_dict=True, verbose=0), task_data, outputs)


def last_evaluation(
    history: Sequence[Mapping[str, float]],
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    """What `evaluate` would measure after the last epoch, which ends with the same evaluation.

    Args:
        history: the logs of all epochs.
        task_data: as for `evaluate`.
        outputs: as for `evaluate`.
    """
    test = "val_"
    metrics = {n.removeprefix(test): v for n, v in history[-1].items() if n.startswith(test)}
    return _measured(metrics, task_data, outputs)


def _measured(
    metrics: Mapping[str, float],
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    totals = {data.task.name: len(data.test) for data in task_data}
    return {
        name: _count(metrics[f"{name}_accuracy"], totals[task])
        | {"loss": float(metrics[f"{name}_cross_entropy"])}
        for task, names in outputs.items()
        for name in names
        if f"{name}_accuracy" in metrics
    }


def _count(accuracy: float, total: int) -> dict:
    """Whole numbers instead of the quotient that Keras computes in single precision."""
    correct = round(float(accuracy) * total)
    return {"correct": correct, "total": total, "accuracy": correct / total}
