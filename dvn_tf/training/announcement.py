"""What a run says before it trains and after it.

Before: what it will do, with which images and which network. After: its results, and where all
lies.
"""

from collections.abc import Mapping, Sequence

from dvn_tf.data import TaskData
from dvn_tf.machine import bytes_text, num_cores
from dvn_tf.methods import Stage
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.provenance import device_name
from dvn_tf.training.results import results_text
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.sizes import size_names


def run_text(
    experiment: Experiment, stages: Sequence[Stage], folder, series: tuple[int, int] = (1, 1)
) -> str:
    """A run in a few lines.

    Args:
        experiment: scenario, recipe and method.
        stages: the method's stages.
        folder: the run's folder.
        series: the number of this run and of all runs that a program does.
    """
    scenario, recipe = experiment.scenario, experiment.recipe
    number, total = series
    place = f" (run {number} of {total})" if total > 1 else ""
    tasks = [task.name for task in scenario.tasks]
    together = ", learned together" if len(stages) == 1 < len(tasks) else ""
    entries = {
        "tasks": ", ".join(tasks) + together,
        "training": f"{_epochs(stages)}, {recipe.batch_size} images of each task a step",
        "seed": str(recipe.seed),
        "device": _device(),
        "run folder": f"{folder}",
    }
    return _entries(f"{scenario.name}, {experiment.method_title}{place}", entries)


def stage_title(stage: Stage, stages: Sequence[Stage]) -> str:
    """Which stage of a run it is, and the tasks that it learns."""
    learned = ", ".join(stage.learned)
    what = "" if learned == stage.name else f": {learned}"
    return f"Stage {stages.index(stage) + 1} of {len(stages)}, {stage.name}{what}"


def stage_text(
    stage: Stage,
    network: DeepVirtualNetwork,
    task_data: Sequence[TaskData],
    densities: Mapping[str, float],
    steps: int,
) -> str:
    """The images and the network of a stage.

    Args:
        stage: the stage.
        network: its network.
        task_data: the tasks that it learns.
        densities: the density of every output, see `output_densities`.
        steps: steps of an epoch.
    """
    size = sum(part.images.nbytes for data in task_data for part in (data.train, data.test))
    held = f"{bytes_text(size)} of memory" if size else "read from their files"
    units = network.table.num_units
    divided = f" in {units} units" if units > 1 else ""
    entries = {data.task.name: _images(data) for data in task_data}
    entries |= {
        "images": f"{held}, {steps} steps an epoch",
        "network": f"{network.backbone.name}{divided}, "
        f"{network.stored_parameters()[1]:,} parameters",
        "sizes": _sizes(network, densities),
    }
    if stage.teacher is not None:
        kept = [task for task in stage.tasks if task not in stage.learned]
        entries["kept"] = f"{', '.join(kept)} by distillation; evaluated when the run ends"
    return _entries(None, entries)


def _epochs(stages: Sequence[Stage]) -> str:
    """The epochs of all stages: "20 epochs", "20 + 20 epochs in 2 stages"."""
    counts = [stage.epochs for stage in stages]
    text = " + ".join(map(str, counts)) + (" epochs" if sum(counts) > 1 else " epoch")
    return f"{text} in {len(counts)} stages" if len(counts) > 1 else text


def _entries(title: str | None, entries: Mapping[str, str]) -> str:
    width = max(10, *map(len, entries))
    lines = [f"  {name.ljust(width)}  {value}" for name, value in entries.items()]
    return "\n".join([title, *lines] if title else lines)


def _images(data: TaskData) -> str:
    height, width, _ = data.info.image_shape
    return (
        f"{data.info.num_classes} classes, {len(data.train):,} training and {len(data.test):,} "
        f"{'held-out ' if data.held_out else ''}test images of {height} x {width} pixels"
    )


def _sizes(network: DeepVirtualNetwork, densities: Mapping[str, float]) -> str:
    """The parameters of each size; tasks of other classes have other heads."""
    costs, parameters = network.costs(), {}
    names = size_names(densities)
    for name in sorted(densities, key=densities.get):
        parameters.setdefault(names[name][1], []).append(costs[name].parameters)
    texts = []
    for size, counts in parameters.items():
        least, most = min(counts), max(counts)
        texts.append(f"{size}: {least:,}" + (f" to {most:,}" if most > least else ""))
    return ", ".join(texts) + " parameters"


def _device() -> str:
    cores = num_cores()
    return f"{device_name()}, {cores} processor core{'s' if cores > 1 else ''}"


def print_results(
    experiment: Experiment, stages: Sequence[Stage], folder: RunFolder, results: dict
) -> None:
    """Prints the results of a run, where they lie, and what can be done with them.

    Args:
        experiment: scenario, recipe and method.
        stages: the method's stages.
        folder: the run's folder.
        results: what `results.json` holds.
    """
    scenario, method = experiment.scenario, experiment.method
    epochs = f"{results['epochs']} epoch{'s' if results['epochs'] > 1 else ''} a task"
    print(
        f"\n{scenario.name}, {results['title']}: {results['backbone']}, {epochs}, "
        f"seed {results['seed']}\n"
    )
    print(results_text(results))
    trained = (
        folder.path if len(stages) == 1 or method.one_network else f"{folder}/{stages[0].name}"
    )
    print(
        f"\nEverything lies in {folder}/: results.json, the networks, TensorBoard's logs.\n"
        f"TensorBoard:  tensorboard --logdir {_log_dir(experiment, folder)}\n"
        f"Export:       python -m experiments.export --run_dir={trained}",
        flush=True,
    )


def _log_dir(experiment: Experiment, folder: RunFolder):
    """The folder of all methods' runs, where this is one of them."""
    names = (experiment.method_name, f"seed{experiment.recipe.seed}")
    return folder.path.parents[1] if folder.path.parts[-2:] == names else folder.path
