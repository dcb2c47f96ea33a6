"""Draws resident memory and accuracy while the memory budget shrinks and grows.

    python -m experiments.budget_plot --export_dir=EXPORT --budgets=8MB,4MB,2MB,4MB,8MB

A thread predicts all the while. Writes budget.png and budget.json; needs matplotlib, which the
device does not: `dvn_runtime.trace` takes the record there.
"""

import dataclasses
import pathlib

from absl import flags

from dvn_runtime import trace
from experiments import programs

_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "Folder with manifest.json.", required=True)
_BUDGETS = flags.DEFINE_list("budgets", None, "Such as 8MB,2MB,8MB, in order.", required=True)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "Seconds that each budget holds.", lower_bound=0.1)
_FORMAT = flags.DEFINE_string("format", "litert", "The files to run: litert or litert_int8.")
_PACK = flags.DEFINE_bool("pack_weights", True, "Run with XNNPACK, a second copy of the weights.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write; by default EXPORT_DIR.")


def main(_):
    moments = trace.record_budgets(
        _EXPORT_DIR.value,
        _BUDGETS.value,
        _SECONDS.value,
        format=_FORMAT.value,
        pack_weights=_PACK.value,
    )

    # Only now: the record is of the device's part alone, without TensorFlow.
    from dvn_tf.files import write_json

    folder = pathlib.Path(_OUTPUT_DIR.value or _EXPORT_DIR.value)
    write_json(folder / "budget.json", [dataclasses.asdict(moment) for moment in moments])
    draw(folder / "budget.png", moments)
    print(f"{len(moments)} moments in {folder / 'budget.json'}, drawn in {folder / 'budget.png'}")


def draw(path: pathlib.Path, moments: list[trace.Moment]) -> None:
    """Draws a record: budget and memory in MB above, the accuracy of each task below."""
    # Only now: matplotlib's own memory must not be in the record.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dvn_tf.files import atomic_file

    seconds = [moment.seconds for moment in moments]
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    memory, accuracy = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for values, label, style in (
        ([moment.budget for moment in moments], "budget", {"color": "#666666", "ls": "--"}),
        ([moment.file_bytes for moment in moments], "files loaded", {"color": "#E69F00"}),
        ([moment.resident_bytes for moment in moments], "resident", {"color": "#0072B2"}),
    ):
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


if __name__ == "__main__":
    programs.run(main)
