"""What a finished run writes for TensorBoard, to compare methods, seeds, tasks and levels.

Final accuracies and hyper-parameters appear in the HParams tab. A layout in the Custom Scalars tab
overlays the levels of each task, and the methods of all runs that are selected there. Everything
is written with TensorBoard's own package, since its `hparams.api` would import TensorFlow.
"""

import pathlib
import re
import time
from collections.abc import Iterable

from dvn_tf.files import atomic_file

# Always the same name, so that writing again replaces the file.
_FILE = "events.out.tfevents.{}"
HPARAMS = ("method", "scenario", "seed", "backbone", "units", "epochs", "batch_size")
FINAL = "final"  # the folder of what is written at a run's end, beside its `train` and `test`


def write_run(log_dir, results: dict) -> None:
    """Writes what only a finished run knows: final accuracies and hyper-parameters.

    They go into a folder of their own. No HParams experiment is declared: TensorBoard takes only
    one and would hide the outputs of all other scenarios. Without one, it shows the settings that
    differ and every scalar of these folders.

    Args:
        log_dir: the run's TensorBoard folder, above its `train` and `test`.
        results: what the run's `results.json` holds.
    """
    from tensorboard.plugins.hparams import summary_v2

    # TensorBoard would group runs of the same name, even those of different scenarios.
    group = "{scenario} {method} seed {seed}".format(**results)
    values = {name: results[name] for name in HPARAMS}
    began = time.time() - results["seconds"]
    start = summary_v2.hparams_pb(values, trial_id=group, start_time_secs=began)
    summaries = [(start, 0), (_end(), 0), (chart_layout(results["tasks"]), 0)]
    for name, output in results["outputs"].items():
        summaries.append((_scalar(f"final/{name}", output["accuracy"]), results["epochs"]))
    write_events(pathlib.Path(log_dir) / FINAL, "final", summaries)


def write_events(folder: pathlib.Path, name: str, summaries: Iterable[tuple]) -> None:
    """Writes an event file.

    Args:
        folder: where to.
        name: what the file's name ends with.
        summaries: pairs of a summary and its step.
    """
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    # An event file begins with its version.
    events = [event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")]
    for summary, step in summaries:
        events.append(event_pb2.Event(wall_time=time.time(), step=step))
        events[-1].summary.MergeFromString(summary.SerializeToString())
    with atomic_file(folder / _FILE.format(name)) as path, path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


def _end():
    """Says that the run is finished, as `session_end_pb` of TensorFlow 1 does."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )
    return summary


def chart_layout(tasks: Iterable[str]):
    """A chart for each task, once for accuracy and once for loss, of all its levels."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata
    from tensorboard.util import tensor_util

    layout = layout_pb2.Layout()
    for figure in ("accuracy", "loss"):
        category = layout.category.add(title=f"{figure} by task")
        for task in tasks:
            chart = category.chart.add(title=f"{task}: {figure} of all levels")
            chart.multiline.tag.append(rf"{figure}/{re.escape(task)}/level\d+$")
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=tensor_util.make_tensor_proto(layout.SerializeToString()),
    )
    return summary


def _scalar(tag: str, value: float):
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.scalar import metadata
    from tensorboard.util import tensor_util

    summary = summary_pb2.Summary()
    summary.value.add(
        tag=tag,
        metadata=metadata.create_summary_metadata(display_name="", description=""),
        tensor=tensor_util.make_tensor_proto(float(value), dtype="float32"),
    )
    return summary
