"""The picture of memory and accuracy over a changing budget."""

import os
from collections.abc import Sequence

from dvn_runtime.trace import Moment
from dvn_tf.figures import COLOURS, agg_figure
from dvn_tf.files import atomic_file


def draw_budgets(path: str | os.PathLike, moments: Sequence[Moment]) -> None:
    """Draws budget and memory in MB above, and the accuracy of each task below.

    Args:
        path: the file to write; its suffix determines its format.
        moments: a record by `dvn_runtime.trace.record_budgets`.
    """
    seconds = [moment.seconds for moment in moments]
    figure = agg_figure(figsize=(8, 5.5), layout="constrained")
    memory, accuracy = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for values, label, style in (
        ([moment.budget for moment in moments], "budget", {"color": COLOURS["grey"], "ls": "--"}),
        ([moment.file_bytes for moment in moments], "files loaded", {"color": COLOURS["orange"]}),
        ([moment.resident_bytes for moment in moments], "resident", {"color": COLOURS["blue"]}),
        (
            [moment.predicted_bytes for moment in moments],
            "resident, as planned",
            {"color": COLOURS["blue"], "ls": ":"},
        ),
    ):
        if all(value is None for value in values):
            continue
        megabytes = [float("nan") if value is None else value / 1e6 for value in values]
        memory.plot(seconds, megabytes, label=label, drawstyle="steps-post", **style)
    memory.set_ylabel("MB")
    memory.set_ylim(bottom=0)
    for task in dict.fromkeys(task for moment in moments for task in moment.accuracy):
        values = [100 * moment.accuracy.get(task, float("nan")) for moment in moments]
        accuracy.plot(seconds, values, label=task, drawstyle="steps-post")
    accuracy.set_ylabel("accuracy (%)")
    accuracy.set_xlabel("seconds")
    for axes in (memory, accuracy):
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
