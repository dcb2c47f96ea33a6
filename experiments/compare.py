"""The paper's tables and figures from finished runs of a scenario, methods side by side.

    python -m experiments.compare --runs=runs/J1

reads every results.json below the folder, and the history.json files beside them. It writes
report.md, figures (PNG and SVG) and runs.csv (the numbers of all runs, a row for each output) to
runs/J1/report. If the runs have TensorBoard logs, it also writes the figures for TensorBoard to
runs/J1/comparison. Nothing is trained. Unfinished runs are named and left out.
"""

from absl import flags

from experiments import programs

_RUNS = flags.DEFINE_string(
    "runs", None, "Folder of the finished runs, such as runs/J1.", required=True
)
_REPORT_DIR = flags.DEFINE_string(
    "report_dir",
    None,
    "Folder to write; by default RUNS/report. A report in it is replaced. It may hold the runs.",
)


def main(_):
    from dvn_tf.comparison import report

    report.write_report(_RUNS.value, _REPORT_DIR.value)


if __name__ == "__main__":
    programs.run(main)
