"""Draws resident memory and accuracy while the memory budget shrinks and grows.

    python -m experiments.budget_plot --export_dir=EXPORT --budgets=8MB,4MB,2MB,4MB,8MB

applies the budgets one after another while a thread keeps predicting, and writes budget.png and
budget.json. With --resident, the budgets limit resident memory instead of the bytes of files. On a
device without matplotlib, `dvn_runtime.trace` makes the same record.
"""

import dataclasses
import pathlib

from absl import flags

from dvn_runtime import trace
from experiments import programs
from experiments.folder_flags import define_folder

_EXPORT_DIR = define_folder(
    "export_dir", None, "Export folder with manifest.json.", exists=True, required=True
)
_BUDGETS = flags.DEFINE_list(
    "budgets", None, "Budgets in order, such as 8MB,2MB,8MB.", required=True
)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "Seconds to keep each budget.", lower_bound=0.1)
_FORMAT = flags.DEFINE_string("format", "litert", "Format of the networks: litert or litert_int8.")
_RESIDENT = flags.DEFINE_bool("resident", False, "Budgets limit resident memory, not files.")
_PACK = flags.DEFINE_bool(
    "pack_weights",
    None,
    "Run with XNNPACK: faster, but a second copy of the weights. By default the planner decides "
    "with --resident, and packs otherwise.",
)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "CPU threads of a prediction.", lower_bound=1, upper_bound=128
)
_OUTPUT_DIR = define_folder("output_dir", None, "Folder to write to; by default EXPORT_DIR.")


def main(_):
    moments = trace.record_budgets(
        _EXPORT_DIR.value,
        _BUDGETS.value,
        _SECONDS.value,
        resident=_RESIDENT.value,
        format=_FORMAT.value,
        num_threads=_THREADS.value,
        pack_weights=_PACK.value,
    )
    with programs.starting():  # only now, to keep TensorFlow and matplotlib out of the record
        from dvn_tf.benchmarks.budget_figure import draw_budgets
        from dvn_tf.files import write_json

    folder = pathlib.Path(_OUTPUT_DIR.value or _EXPORT_DIR.value)
    write_json(folder / "budget.json", [dataclasses.asdict(moment) for moment in moments])
    draw_budgets(folder / "budget.png", moments)
    print(f"Wrote {len(moments)} moments to {folder / 'budget.json'} and {folder / 'budget.png'}")


if __name__ == "__main__":
    programs.run(main)
