"""What a run writes for TensorBoard, to compare methods, seeds, tasks and sizes.

A run folder is one TensorBoard run. Its tags name tasks and sizes, the same in every method:

accuracy/<task>/<size>      of the test images, as accuracy/cifar10/25 %
accuracy/average/<size>     the mean over all tasks, for every size that all of them have
accuracy/average/largest    the mean over all tasks, each at its largest size
loss/<task>/<size>          cross-entropy of the test images
loss/sum                    the sum over all outputs
distillation/<task>/<size>  instead of the loss, for an old task (Eq. 6)
train/...                   the same of the training images
learning_rate
speed/steps                 training steps done of the stage
speed/images_per_second     of all tasks in training steps, without evaluations
speed/seconds_left          for the run
"""

import pathlib
import re
import time
import types
from collections.abc import Iterable, Mapping, Sequence

from dvn_tf.training import event_files
from dvn_tf.training.sizes import averages, size_names

LOSSES = ("_cross_entropy", "_distillation")
FIGURES = {"_accuracy": "accuracy", "_cross_entropy": "loss", "_distillation": "distillation"}
HPARAMS = ("method", "scenario", "seed", "backbone", "units", "epochs", "batch_size", "parameters")


def epoch_figures(logs: Mapping[str, float]) -> dict[str, float]:
    """The logs of an epoch, without the losses of Keras that padding distorts.

    Batches of test images are padded where one task has fewer images than another. Metrics ignore
    the padding, but Keras's own losses are means over all batches, including empty ones. The test
    loss is therefore the sum of the outputs' cross-entropies (Eq. 4 or 6, without the L2 term).

    Args:
        logs: as Keras hands them to callbacks.

    Returns:
        "loss", "<output>_accuracy" and "<output>_cross_entropy" or "<output>_distillation", the
        same with "val_" for the test images where there are any.
    """
    figures = {
        name: float(value)
        for name, value in logs.items()
        if name == "loss" or name.endswith(tuple(FIGURES))
    }
    test = [v for n, v in figures.items() if n.startswith("val_") and n.endswith(LOSSES)]
    return figures | ({"val_loss": sum(test)} if test else {})


def evaluated_accuracies(figures: Mapping[str, float]) -> dict[str, float]:
    """The accuracies of the test images among an epoch's figures, by output."""
    return {
        name.removeprefix("val_").removesuffix("_accuracy"): value
        for name, value in figures.items()
        if name.startswith("val_") and name.endswith("_accuracy")
    }


def epoch_scalars(
    figures: Mapping[str, float],
    densities: Mapping[str, float],
    num_tasks: int,
    earlier: Mapping[str, float] = types.MappingProxyType({}),
) -> dict[str, float]:
    """What an epoch writes: {tag: value}.

    Args:
        figures: from `epoch_figures`.
        densities: the density of every output, see `output_densities`.
        num_tasks: the number of tasks of the scenario.
        earlier: accuracies of outputs that earlier stages learned and this one leaves as they
            are, for the average; `densities` has them, too.
    """
    sizes = size_names(densities)
    scalars = {}
    for name, value in figures.items():
        part = "" if name.startswith("val_") else "train/"
        name = name.removeprefix("val_")
        if name == "loss":
            scalars[f"{part}loss/sum"] = value
        for ending, figure in FIGURES.items():
            if name.endswith(ending):
                task, size = sizes[name.removesuffix(ending)]
                scalars[f"{part}{figure}/{task}/{size}"] = value
    accuracies = evaluated_accuracies(figures)
    means = averages(earlier | accuracies, densities, num_tasks) if accuracies else {}
    return scalars | {f"accuracy/average/{size}": value for size, value in means.items()}


def write_history(
    folder, history: Sequence[Mapping], densities: Mapping[str, float], num_tasks: int
) -> None:
    """Writes the epochs of a stage that was not trained here, but copied from another run.

    Args:
        folder: the run's folder.
        history: the stage's epochs, as `history.json` has them.
        densities: see `epoch_scalars`.
        num_tasks: the number of tasks of the scenario.
    """
    summaries = [
        (event_files.scalar(tag, value), step)
        for step, figures in enumerate(history, start=1)
        for tag, value in epoch_scalars(epoch_figures(figures), densities, num_tasks).items()
    ]
    event_files.write_events(pathlib.Path(folder), "0000.initial", summaries)


def write_run(folder, results: dict) -> None:
    """Writes what only a finished run knows: hyper-parameters, last accuracies, unit tables.

    No HParams experiment is declared: TensorBoard takes only one and would hide the tasks of all
    other scenarios. Without one, it shows the settings that differ and every scalar.

    Args:
        folder: the run's folder.
        results: what the run's `results.json` holds.
    """
    from tensorboard.plugins.hparams import summary_v2

    folder = pathlib.Path(folder)
    values = {name: results[name] for name in HPARAMS}
    began = time.time() - results["seconds"]
    start = summary_v2.hparams_pb(values, trial_id=trial_name(results), start_time_secs=began)
    last_step = sum(stage["epochs"] for stage in results["stages"])
    summaries = [(start, 0), (_end(), 0), (chart_layout(results["tasks"]), 0)]
    summaries += [(summary, 0) for summary in _unit_tables(folder, results)]
    written = event_files.tags_at(folder, last_step)
    summaries += [
        (event_files.scalar(tag, value), last_step)
        for tag, value in _last_accuracies(results).items()
        if tag not in written
    ]
    event_files.write_events(folder, "final", summaries)


def trial_name(results: dict) -> str:
    """What the HPARAMS tab calls a run: "seed 0 of dvn (quickstart)".

    The seed comes first, since the tab cuts names off; the method has a column of its own. The
    scenario is there because TensorBoard would group runs of one name.
    """
    return "seed {seed} of {method} ({scenario})".format(**results)


def _last_accuracies(results: dict) -> dict[str, float]:
    """{tag: accuracy at the end of the run}."""
    accuracies = {name: output["accuracy"] for name, output in results["outputs"].items()}
    densities = {name: output["density"] for name, output in results["outputs"].items()}
    means = averages(accuracies, densities, len(results["tasks"]))
    by_output = {
        f"accuracy/{task}/{size}": accuracies[name]
        for name, (task, size) in size_names(densities).items()
    }
    return by_output | {f"accuracy/average/{size}": value for size, value in means.items()}


def _unit_tables(folder: pathlib.Path, results: dict) -> list:
    """The picture of the unit table, or one of each network."""
    if (folder / "table.png").is_file():
        return [event_files.image("unit table", (folder / "table.png").read_bytes())]
    names = [stage["name"] for stage in results["stages"]]
    return [
        event_files.image(f"unit table/{name}", (folder / name / "table.png").read_bytes())
        for name in names
        if (folder / name / "table.png").is_file()
    ]


def _end():
    """Says that the run is finished, as `session_end_pb` of TensorFlow 1 does."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    content = metadata.create_summary_metadata(data)
    return event_files.summary(metadata.SESSION_END_INFO_TAG, content, 0.0, "float32")


def chart_layout(tasks: Iterable[str]):
    """The charts of the CUSTOM SCALARS tab.

    Methods are compared at full size, on average and task by task. Another chart for each task
    has all its sizes, once for accuracy and once for loss.
    """
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    tasks = list(tasks)
    layout = layout_pb2.Layout()

    def add(title, charts):
        category = layout.category.add(title=title)
        for name, pattern in charts.items():
            category.chart.add(title=name).multiline.tag.append(pattern)

    full = {
        "average: accuracy at full size": r"accuracy/average/full$",
        "average: accuracy, each task at its largest size": r"accuracy/average/largest$",
    }
    for task in tasks:
        full[f"{task}: accuracy at full size"] = rf"accuracy/{re.escape(task)}/full$"
    add("methods at full size", full)
    for figure in ("accuracy", "loss"):
        add(
            f"{figure} by size",
            {
                f"{task}: {figure} at all sizes": rf"{figure}/{re.escape(task)}/[^/]+$"
                for task in tasks
            },
        )
    return event_files.summary(
        metadata.CONFIG_SUMMARY_TAG,
        metadata.create_summary_metadata(),
        layout.SerializeToString(),
    )
