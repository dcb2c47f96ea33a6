"""What a manifest says of the run that its files come from."""

from collections.abc import Mapping, Sequence

from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.export.metadata import image_facts
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder

RUN_KEYS = ("scenario", "method", "seed", "backbone")
_TASK_KEYS = ("image_shape", "mean", "std", "num_classes", "class_names")
_RECIPE_KEYS = ("epochs", "batch_size", "learning_rate", "schedule", "weight_decay", "dtype")


def about_run(run: RunFolder, network: DeepVirtualNetwork, imports: Sequence[str] = ()) -> dict:
    """What a manifest says of a run: its names, its tasks, and how it was trained.

    Args:
        run: the run's folder.
        network: its network.
        imports: Python modules that the run's settings may import.

    Returns:
        `RUN_KEYS`, "tasks" with shape, statistics, classes and images of each, and "training" as
        far as the folder tells: "title" of the method, "sequential", "recipe", and for each of
        its "tasks" the data: "dataset", "classes", "train_images", "test_images".
    """
    results = run.results() or run.stage() or {}
    return {
        "scenario": results.get("scenario", run.path.name),
        "method": results.get("method", "dvn"),
        "seed": results.get("seed", 0),
        "backbone": network.backbone.name,
        "tasks": {
            task.name: {key: getattr(task, key) for key in _TASK_KEYS}
            | ({} if task.crop_from is None else {"crop_from": task.crop_from})
            | {"images": image_facts(task)}
            for task in network.tasks
        },
        "training": _training(run, results, imports),
    }


def identity(about: Mapping) -> dict:
    """What tells one run from another, without what some versions of a manifest say besides.

    Args:
        about: the content of a manifest, or what `about_run` gives, as JSON has it.
    """
    tasks = {
        name: {key: task.get(key) for key in _TASK_KEYS}
        for name, task in about.get("tasks", {}).items()
    }
    named = {key: about.get(key) for key in ("format_version", *RUN_KEYS) if key in about}
    return named | {"tasks": tasks}


def _training(run: RunFolder, results: Mapping, imports: Sequence[str]) -> dict:
    """How the run was trained; what its folder does not tell is left out."""
    counts = results.get("tasks", {})
    training = {"title": results.get("title"), "tasks": {}}
    try:
        experiment = configuration.read_run_config(run.path / "config.gin", imports)
    except UserError:  # the network can be exported all the same
        return training
    recipe = {key: getattr(experiment.recipe, key) for key in _RECIPE_KEYS}
    training |= {"sequential": experiment.scenario.sequential, "recipe": recipe}
    for task in experiment.scenario.tasks:
        count = counts.get(task.name, {})
        training["tasks"][task.name] = {
            "dataset": _dataset(task),
            "classes": None if task.class_indices() is None else list(task.class_indices()),
            "train_images": count.get("train_images"),
            "test_images": count.get("test_images"),
        }
    return training


def _dataset(task: Task) -> str:
    """The dataset's name, without the path of a folder, which is nobody else's business."""
    kind, _, rest = task.dataset.partition(":")
    return kind if "/" in rest or kind == "folder" else task.dataset
