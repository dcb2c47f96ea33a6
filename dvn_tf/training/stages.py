"""One stage of a method: its network, what it starts from, and its training."""

import copy
from collections.abc import Mapping, Sequence

import keras

from dvn_tf.data import TaskData, pipelines
from dvn_tf.methods import Stage
from dvn_tf.networks import objectives
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.lower_batches import LowerBatches
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.one_level import OneLevel
from dvn_tf.networks.self_distillation import self_distilling_network, soft_labels_alone
from dvn_tf.networks.warm_start import warm_start
from dvn_tf.tasks import TaskInfo, head_name
from dvn_tf.training import evaluation, fitting
from dvn_tf.training.level_steps import DrawLevel
from dvn_tf.training.recipe import Recipe
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import Stop
from dvn_tf.training.training_cost import stage_multiply_adds


def stage_network(
    stage: Stage,
    infos: Sequence[TaskInfo],
    recipe: Recipe,
    map_size: int,
    networks: Mapping[str, DeepVirtualNetwork],
) -> DeepVirtualNetwork:
    """The network of a stage with its first weights.

    Args:
        stage: the stage.
        infos: its tasks, in their order.
        recipe: gives weight decay and precision.
        map_size: see `dvn_tf.tasks.input_strides`.
        networks: the trained networks of the stages before, by name.
    """
    heads = {}
    for name in stage.starts_from:
        heads |= networks[name].heads
    network = DeepVirtualNetwork(
        infos,
        stage.table,
        stage.backbone,
        stage.partition,
        weight_decay=recipe.weight_decay,
        map_size=map_size,
        dtype=recipe.dtype,
        frozen_units=stage.frozen_units,
        merge_streams=recipe.merge_streams,
        gradients=stage.learning.gradients,
        causal=stage.causal,
        # One for each: where Keras saves an object twice, it writes its address in this process.
        heads=heads | {name: copy.copy(stage.head) for name in stage.learned},
        name=f"{stage.name}_network",
    )
    for number, name in enumerate(stage.starts_from):
        # New tasks start from the first of these networks; the others give their own tasks alone.
        warm_start(networks[name], network, new_tasks=number == 0)
    return network


def compile_stage(
    stage: Stage,
    network: DeepVirtualNetwork,
    task_data: Sequence[TaskData],
    recipe: Recipe,
    networks: Mapping[str, DeepVirtualNetwork],
) -> tuple[keras.Model, dict[str, list[str]]]:
    """Prepares the training of a stage's network: by Eq. 4, or with a teacher by Eq. 6.

    What cannot be trained is found here, before anything is written.

    Args:
        stage: the stage.
        network: from `stage_network`.
        task_data: the images of the tasks that it learns.
        recipe: the hyper-parameters, with the stage's epochs.
        networks: the trained networks of the stages before, by name.

    Returns:
        The model to fit, compiled, and {task: its outputs that learn from the task's images}.

    Raises:
        UserError: if the settings do not fit the images or each other.
    """
    steps = pipelines.steps_per_epoch(task_data, recipe.batch_size)
    if stage.heads_only:
        _freeze_all_but_heads(network)
    outputs = {name: network.outputs_by_task[name] for name in stage.learned}
    model = _with_cheaper_steps(stage, network, recipe)
    objective = objectives.joint_objective(network.virtual_networks)
    if stage.teacher is not None:
        [new_task] = stage.learned
        model = distilling_network(network, networks[stage.teacher], new_task)
        objective = objectives.sequential_objective(
            outputs[new_task],
            [name for name in network.virtual_networks if name not in outputs[new_task]],
            stage.temperature,
            stage.distillation_weight,
        )
    model, objective = _self_distilling(stage, model, objective, outputs, recipe.epochs * steps)
    if stage.teacher is not None:
        # The old tasks' outputs are learned on the new images, too.
        outputs = {new_task: list(network.virtual_networks)}
    fitting.compile_network(model, recipe, steps, objective)
    return model, outputs


def train_stage(
    stage: Stage,
    network: DeepVirtualNetwork,
    model: keras.Model,
    outputs: Mapping[str, Sequence[str]],
    task_data: Sequence[TaskData],
    recipe: Recipe,
    networks: Mapping[str, DeepVirtualNetwork],
    folder: RunFolder,
    observers: Sequence[keras.callbacks.Callback],
    stop: Stop,
    share: pipelines.Share,
) -> dict:
    """Trains a stage's network, from its newest checkpoint if there is one.

    Args:
        stage: the stage.
        network: from `stage_network`; it is trained.
        model: from `compile_stage`; it has the network's weights.
        outputs: from `compile_stage`.
        task_data: the images of the tasks that it learns.
        recipe: the hyper-parameters, with the stage's epochs.
        networks: the trained networks of the stages before, by name.
        folder: the stage's folder.
        observers: callbacks that print or log.
        stop: says after which step to stop.
        share: the part of every batch that this process gets.

    Returns:
        {"name", "learned", "epochs", "seconds", "multiply_adds", "backends", "outputs"}: what was
        trained, for how long, what it computed (see `stage_multiply_adds`), by which of Keras's
        backends in the order of their use, and what `evaluation.evaluate` measures after it.

    Raises:
        UserError: as `fitting.train`.
        Stopped: as `fitting.train`.
    """
    if isinstance(model, OneLevel):
        observers = [DrawLevel(recipe.seed, stage.table.num_levels), *observers]
    history = fitting.fit(model, task_data, outputs, recipe, folder, observers, stop, share)
    steps = recipe.epochs * pipelines.steps_per_epoch(task_data, recipe.batch_size)
    return {
        "name": stage.name,
        "learned": list(stage.learned),
        "epochs": recipe.epochs,
        "seconds": round(sum(epoch["seconds"] for epoch in history), 3),
        "multiply_adds": stage_multiply_adds(
            stage, network, steps * recipe.batch_size, networks.get(stage.teacher)
        ),
        # Epochs of versions before 0.6 name none.
        "backends": list(dict.fromkeys(e["backend"] for e in history if "backend" in e)),
        "outputs": evaluation.last_evaluation(history, task_data, outputs),
    }


def _self_distilling(
    stage: Stage,
    model: keras.Model,
    objective: dict,
    levels: Mapping[str, Sequence[str]],
    steps: int,
) -> tuple[keras.Model, dict]:
    """Lets the levels of each task learn from each other, where the stage's settings say so.

    Args:
        stage: the stage.
        model: the model to fit.
        objective: its objective.
        levels: {task that learns from labels: its outputs, the lowest level first}.
        steps: of the whole stage.

    Returns:
        The model and the objective with self-distillation, or as they are without.
    """
    learning = stage.learning
    if not learning.self_distillation or stage.table.num_levels == 1:
        return model, objective
    ramp_steps = round(learning.soft_ramp * steps)
    if learning.hard_labels == "highest":
        objective = soft_labels_alone(objective, levels)
    model = self_distilling_network(
        model, levels, learning.self_distillation, learning.soft_temperature, ramp_steps
    )
    return model, objective


def _with_cheaper_steps(stage: Stage, network: DeepVirtualNetwork, recipe: Recipe) -> keras.Model:
    """What is fitted in the network's place where its steps do not compute all of Eq. 4."""
    if stage.learning.lower_batches == "share":
        return LowerBatches(network, recipe.batch_size)
    if stage.learning.level_steps == "one":
        return OneLevel(network)
    return network


def _freeze_all_but_heads(network: DeepVirtualNetwork) -> None:
    heads = {
        name
        for task, level, _ in network.virtual_networks.values()
        for name in network.heads[task.name].layer_names(head_name(task.name, level))
    }
    for layer in network.layers:
        layer.trainable = layer.name in heads
