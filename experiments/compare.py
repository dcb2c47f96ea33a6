"""The paper's tables and figures from finished runs of a scenario, methods side by side.

    python -m experiments.compare --runs=runs/J1

reads every results.json below the folder, and the history.json files beside them. It writes
report.md, figures (PNG and SVG) and runs.csv (the numbers of all runs, a row for each output) to
runs/J1/report. If the runs have TensorBoard logs, it also writes the figures for TensorBoard to
runs/J1/comparison. Nothing is trained. Unfinished runs are named and left out.
"""

import os

from absl import flags

from experiments import programs
from experiments.folder_flags import define_folder

_RUNS = define_folder(
    "runs", None, "Folder of the finished runs, such as runs/J1.", exists=True, required=True
)
_REPORT_DIR = define_folder(
    "report_dir",
    None,
    "Folder to write; by default RUNS/report. A report in it is replaced. It may hold the runs.",
)
_MARGIN = flags.DEFINE_float(
    "margin",
    1.0,
    "How many points of accuracy a virtual network may be worse than a network of its own to count "
    "as not worse, where there are runs of separate networks.",
)


def main(_):
    _old.append(_report())
    with programs.starting():
        from dvn_tf.comparison import report

    report.write_report(_RUNS.value, _REPORT_DIR.value, _MARGIN.value)


_old: list[tuple | None] = []  # what `_report` gave before the work


def _report() -> tuple | None:
    """What tells the report that is there from another; None where there is none."""
    folder = _REPORT_DIR.value or os.path.join(_RUNS.value, "report")
    try:
        status = os.stat(os.path.join(folder, "report.md"))
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns


def _interrupted() -> str:
    now = _report()
    if [now] != _old:
        return "the new report is complete"
    return "the old report is unchanged" if now else "no report was written"


if __name__ == "__main__":
    programs.run(main, _interrupted)
