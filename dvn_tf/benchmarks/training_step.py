"""How long a step of a deep virtual network takes, against the networks that it replaces.

The k x n_h network is timed against k x n_h plain Keras networks of the same widths, built
and compiled separately, by the same rule. All run in one process, interleaved, so that a change of
the machine's speed meets both; ratios are taken round by round and their median is quoted.
"""

import dataclasses
import os
import resource
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dvn_tf import data
from dvn_tf.data import ImageSet, TaskData, pipelines
from dvn_tf.machine import num_cores
from dvn_tf.methods import DVN, Stage
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks import objectives
from dvn_tf.networks.one_level import OneLevel
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import TaskInfo, common_map_size
from dvn_tf.training import fitting, provenance
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.recipe import Recipe
from dvn_tf.training.stages import compile_stage, stage_network

_STEPS_PER_EPOCH = 1000  # of the schedule, whose first steps are all that run
_WARMUP_STEPS = 2  # the first ones are compiled, or TensorFlow plans their execution


@dataclasses.dataclass(frozen=True)
class StepTimes:
    """Seconds a training step, round by round.

    Attributes:
        network: of the k x n_h network.
        separate: of the k x n_h separate networks together.
        first_step: seconds from the start of the process to the end of the first step.
        peak_memory: bytes resident at most in a process that trains the k x n_h network alone.
    """

    network: list[float]
    separate: list[float]
    first_step: float
    peak_memory: int

    @property
    def ratio(self) -> float:
        """The median over the rounds of network / separate."""
        return float(np.median(np.divide(self.network, self.separate)))


def step_times(experiment: Experiment, rounds: int = 5) -> StepTimes:
    """Times training steps on random images of the scenario's shapes; no data is needed.

    Args:
        experiment: gives the scenario, the batch size and what a step does. Of a DVN's settings
            in a joint scenario, such as `DVN.lower_batches`, the step is that of a run; of other
            methods it is that of the scenario's DVN.
        rounds: timed rounds, each one step of the network and one of every plain network. Where
            a step learns one level alone, a round has a step of each, and their mean counts.
    """
    scenario, recipe = experiment.scenario, experiment.recipe
    tasks = [data.task_info(task) for task in scenario.tasks]
    fitting.prepare_backend(recipe)
    stage = _joint_stage(experiment)
    network = stage_network(stage, tasks, recipe, common_map_size(tasks, scenario.map_size), {})
    model, _ = compile_stage(stage, network, _stand_ins(scenario, tasks, recipe), recipe, {})
    images, labels = random_batch(tasks, recipe)
    outputs = {name: labels[task.name] for name, (task, _, _) in network.virtual_networks.items()}
    # Through `fit`, as in a run.
    model.fit(tf.data.Dataset.from_tensors((images, outputs)), shuffle=False, verbose=0)
    first_step = _seconds_since_process_start()
    step = _step(model, images, outputs)
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    separate = _separate_steps(network, recipe, images, labels)
    network_times, separate_times = [], []
    for number in range(-_WARMUP_STEPS - 1, rounds):
        network_time = _timed(step) / (
            network.table.num_levels if isinstance(model, OneLevel) else 1
        )
        # The plain networks run as Keras leaves TensorFlow, with its rewriting of graphs.
        fitting.rewrite_graphs(True)
        separate_time = sum(_timed(plain_step) for plain_step in separate)
        fitting.rewrite_graphs(fitting.tensorflow_computes_on_gpu())
        if number >= 0:
            network_times.append(network_time)
            separate_times.append(separate_time)
    return StepTimes(network_times, separate_times, first_step, peak)


def pipeline_images_per_second(
    scenario: Scenario, recipe: Recipe, examples: int = 10_000, seconds: float = 5.0
) -> float:
    """Images a second that the training pipeline alone delivers, all tasks together.

    The images are random but of the scenario's shapes and in memory, as decoded ones are.

    Args:
        scenario: the scenario.
        recipe: gives the batch size.
        examples: training images of each task.
        seconds: how long to draw batches.
    """
    generator = np.random.default_rng(recipe.seed)
    task_data = []
    for task in scenario.tasks:
        info = data.task_info(task)
        *size, channels = info.image_shape
        if info.crop_from is not None:
            size = (info.crop_from, info.crop_from)
        images = generator.integers(0, 256, (examples, *size, channels), np.uint8)
        one_set = ImageSet(images, np.zeros(examples, np.int32))
        task_data.append(TaskData(task, info, one_set, one_set))
    names = {task.name: [task.name] for task in scenario.tasks}
    batches = iter(
        pipelines.training_dataset(task_data, names, recipe.batch_size, recipe.seed, 0, 10**6)
    )
    next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(batches)
        count += 1
    return count * recipe.batch_size * len(task_data) / (time.perf_counter() - start)


def report(experiment: Experiment, times: StepTimes, pipeline: float) -> str:
    """The figures as text.

    Args:
        experiment: the experiment.
        times: from `step_times`.
        pipeline: images a second, from `pipeline_images_per_second`.
    """
    scenario, recipe = experiment.scenario, experiment.recipe
    networks = len(scenario.tasks) * scenario.table.num_levels
    title = f" ({experiment.method_title})" if experiment.variant else ""
    consumed = len(scenario.tasks) * recipe.batch_size / np.median(times.network)
    ratios = ", ".join(f"{a / b:.3f}" for a, b in zip(times.network, times.separate, strict=True))
    return f"""
{scenario.name}{title}: {scenario.backbone.name}, {networks} virtual networks, \
batch {recipe.batch_size}, {recipe.dtype}, {provenance.device_name()}, {num_cores()} CPU cores, \
{provenance.backend_in_use()}, Keras {keras.__version__}

step of the {networks}-fold network      {np.median(times.network):8.3f} s   (median of \
{len(times.network)} rounds)
steps of {networks} separate networks    {np.median(times.separate):8.3f} s
ratio, median of the rounds     {times.ratio:8.3f}     ({ratios})
start of process to first step  {times.first_step:8.1f} s
peak memory                     {times.peak_memory / 2**30:8.2f} GiB
images consumed by the steps    {consumed:8.0f} /s
images from the pipeline alone  {pipeline:8.0f} /s   ({pipeline / consumed:.0f} times that)"""


def _separate_steps(network, recipe, images, labels) -> list[Callable]:
    """A step of each of the k x n_h plain networks."""
    steps = []
    objective = objectives.joint_objective(["output"])
    objective = {name: by_output["output"] for name, by_output in objective.items()}
    for task, _, units in network.virtual_networks.values():
        plain = plain_network(
            task,
            network.backbone,
            network.partition,
            units,
            stride=network.input_stride(task),
            weight_decay=recipe.weight_decay,
            dtype=recipe.dtype,
        )
        fitting.compile_network(plain, recipe, _STEPS_PER_EPOCH, objective)
        steps.append(_step(plain, images[task.name], labels[task.name]))
    return steps


def _joint_stage(experiment: Experiment) -> Stage:
    scenario, method = experiment.scenario, experiment.method
    if isinstance(method, DVN) and not scenario.sequential:
        return method.stages(scenario, 1)[0]
    names = tuple(task.name for task in scenario.tasks)
    return Stage("all", names, names, scenario.table, scenario.partition, scenario.backbone, 1)


def _stand_ins(scenario: Scenario, tasks: list[TaskInfo], recipe: Recipe) -> list[TaskData]:
    """Tasks without pixels, of as many images as the schedule needs."""
    labels = np.zeros(_STEPS_PER_EPOCH * recipe.batch_size, np.int32)
    return [
        TaskData(task, info, images, images)
        for task, info in zip(scenario.tasks, tasks, strict=True)
        for images in [ImageSet(np.empty((0, *info.image_shape), np.uint8), labels)]
    ]


def _step(network: keras.Model, images, labels) -> Callable:
    images, labels = keras.tree.map_structure(keras.ops.convert_to_tensor, (images, labels))
    # train_on_batch returns figures, so that it waits for the step's end.
    if not isinstance(network, OneLevel):
        return lambda: network.train_on_batch(images, labels)

    def one_step_of_each_level():
        for level in network.outputs_of:
            network.level = level
            network.train_on_batch(images, labels)

    return one_step_of_each_level


def _timed(step: Callable) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def random_batch(tasks: list[TaskInfo], recipe: Recipe):
    """A batch of random images and labels by task, as two dictionaries of arrays."""
    generator = np.random.default_rng(recipe.seed)
    images = {
        task.name: generator.integers(0, 256, (recipe.batch_size, *task.image_shape), np.uint8)
        for task in tasks
    }
    labels = {
        task.name: generator.integers(0, task.num_classes, recipe.batch_size, np.int32)
        for task in tasks
    }
    return images, labels


def _seconds_since_process_start() -> float:
    """Wall time since this process began, the start of Python and all imports included."""
    if not sys.platform.startswith("linux"):
        return time.perf_counter() - _IMPORTED
    with open("/proc/self/stat", encoding="ascii") as file:
        start_ticks = int(file.read().rpartition(")")[2].split()[19])  # field 22, starttime
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return uptime - start_ticks / os.sysconf("SC_CLK_TCK")


_IMPORTED = time.perf_counter()
