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
from dvn_tf.training.callback_list import TrainingCallbacks
from dvn_tf.training.checkpoints import Reached
from dvn_tf.training.optimizer import make_optimizer
from dvn_tf.training.recipe import Recipe, evaluated_epochs
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import NEVER, Stop


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
    stop: Stop = NEVER,
    share: pipelines.Share = pipelines.ALL,
) -> None:
    """Trains a network, from the newest checkpoint in the folder if there is one.

    The order and augmentation of images depend on the seed, the epoch and the step alone, and a
    checkpoint has everything else. An interrupted run therefore ends with the same weights as an
    uninterrupted one.

    Args:
        network: the network to fit, not compiled.
        task_data: the images to learn from, of the network's inputs.
        outputs: {task: the network's outputs that learn from its images}.
        objective: arguments for `compile`, as `dvn_tf.networks.objectives` gives them.
        recipe: the hyper-parameters.
        folder: the run's folder.
        observers: callbacks that print or log; a run's are `Progress` and `TensorBoard`. See
            `TrainingCallbacks` for what they get.
        stop: says after which step to stop.
        share: the part of every batch that this process gets.

    Raises:
        UserError: if a batch is larger than a task's images, a checkpoint is damaged, or
            the loss becomes NaN or infinite.
        Stopped: if `stop` asked for it. The next call goes on after the same step.
    """
    steps = pipelines.steps_per_epoch(task_data, recipe.batch_size)
    compile_network(network, recipe, steps, objective)
    fit(network, task_data, outputs, recipe, folder, observers, stop, share)


def fit(
    network: keras.Model,
    task_data: Sequence[TaskData],
    outputs: Mapping[str, Sequence[str]],
    recipe: Recipe,
    folder: RunFolder,
    observers: Sequence[keras.callbacks.Callback] = (),
    stop: Stop = NEVER,
    share: pipelines.Share = pipelines.ALL,
) -> list[dict]:
    """Trains a compiled network, see `train`.

    Returns:
        The logs of all epochs.

    Raises:
        UserError: as `train`.
        Stopped: as `train`.
    """
    steps = pipelines.steps_per_epoch(task_data, recipe.batch_size)
    reached = folder.restore(network)
    if reached.step > steps:
        raise UserError(
            f"the last checkpoint in {folder} is of step {reached.step} of an epoch, but an epoch "
            f"has {steps} steps now: put back the images that the run began with, or train in "
            "another --run_dir"
        )
    if reached.epochs:
        folder.write_history(reached.history)  # which a kill may have left an epoch ahead
    if reached.epochs >= recipe.epochs:
        return reached.history
    if reached.epochs or reached.step:
        where = callbacks.place(reached.epochs, reached.step, steps)
        of = "" if reached.step else f" of {recipe.epochs}"
        print(f"Going on after {where}{of}.", flush=True)
    finite = callbacks.StopWhenNotFinite(folder)
    saving = callbacks.SaveEpochs(folder, reached)
    called = TrainingCallbacks(
        [finite, *observers, saving, callbacks.StopOnRequest(stop, finite, saving)],
        network,
        recipe.epochs,
        steps,
    )
    batches = device_images if recipe.images_on_device else pipelines
    test_images = batches.evaluation_dataset(task_data, outputs, recipe.batch_size, share)
    evaluated = evaluated_epochs(recipe.epochs, recipe.evaluate_every)
    with stop.training():
        for first, last, first_step in _parts(reached, recipe.epochs):
            if first_step == steps:
                _end_epoch(network, first, test_images if last in evaluated else None, called)
                continue
            called.first_step = first_step
            network.fit(
                batches.training_dataset(
                    task_data,
                    outputs,
                    recipe.batch_size,
                    recipe.seed,
                    first,
                    last,
                    first_step,
                    share,
                ),
                epochs=last,
                initial_epoch=first,
                steps_per_epoch=steps - first_step,
                validation_data=test_images,
                validation_freq=evaluated,
                shuffle=False,  # the pipeline shuffles
                verbose=0,  # the observers say what there is to say
                callbacks=called,
            )
        called.end()
    return saving.history


def _parts(reached: Reached, epochs: int) -> list[tuple[int, int, int]]:
    """What is left: (first epoch, last epoch, first step of the first) of each call of `fit`.

    All epochs of a call have the same number of steps, so the rest of an epoch is one by itself.
    """
    if not reached.step:
        return [(reached.epochs, epochs, 0)]
    rest = (reached.epochs, reached.epochs + 1, reached.step)
    return [rest, *([(rest[1], epochs, 0)] if rest[1] < epochs else [])]


def _end_epoch(network: keras.Model, epoch: int, test_images, called: TrainingCallbacks) -> None:
    """Does what `fit` does after the last step of an epoch, where a run stopped after this step.

    Args:
        network: the network.
        epoch: the epoch, from 0.
        test_images: what to evaluate; None for nothing.
        called: the callbacks, which put the metrics of the epoch back.
    """
    called.on_train_begin()
    network.reset_metrics()
    called.on_epoch_begin(epoch)
    logs = network.get_metrics_result()
    if test_images is not None:
        test = network.evaluate(test_images, verbose=0, return_dict=True, callbacks=called)
        logs |= {f"val_{name}": value for name, value in test.items()}
    called.on_epoch_end(epoch, logs)
