"""One stage of a method: its network, what it starts from, and its training."""

from collections.abc import Mapping, Sequence

import keras

from dvn_tf.data import TaskData, pipelines
from dvn_tf.methods import Stage
from dvn_tf.networks import objectives
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.warm_start import warm_start
from dvn_tf.tasks import TaskInfo, head_name
from dvn_tf.training import evaluation, fitting
from dvn_tf.training.recipe import Recipe
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import Stop


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
        causal=stage.causal,
        heads=heads | dict.fromkeys(stage.learned, stage.head),
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
    model, objective = network, objectives.joint_objective(network.virtual_networks)
    if stage.teacher is not None:
        [new_task] = stage.learned
        model = distilling_network(network, networks[stage.teacher], new_task)
        objective = objectives.sequential_objective(
            outputs[new_task],
            [name for name in network.virtual_networks if name not in outputs[new_task]],
            stage.temperature,
            stage.distillation_weight,
        )
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
        folder: the stage's folder.
        observers: callbacks that print or log.
        stop: says after which step to stop.
        share: the part of every batch that this process gets.

    Returns:
        {"name", "learned", "epochs", "seconds", "backends", "outputs"}: what was trained, for how
        long, by which of Keras's backends in the order of their use, and what `evaluation.evaluate`
        measures after it.

    Raises:
        UserError: as `fitting.train`.
        Stopped: as `fitting.train`.
    """
    history = fitting.fit(model, task_data, outputs, recipe, folder, observers, stop, share)
    return {
        "name": stage.name,
        "learned": list(stage.learned),
        "epochs": recipe.epochs,
        "seconds": round(sum(epoch["seconds"] for epoch in history), 3),
        # Epochs of versions before 0.6 name none.
        "backends": list(dict.fromkeys(e["backend"] for e in history if "backend" in e)),
        "outputs": evaluation.last_evaluation(history, task_data, outputs),
    }


def _freeze_all_but_heads(network: DeepVirtualNetwork) -> None:
    heads = {
        name
        for task, level, _ in network.virtual_networks.values()
        for name in network.heads[task.name].layer_names(head_name(task.name, level))
    }
    for layer in network.layers:
        layer.trainable = layer.name in heads
