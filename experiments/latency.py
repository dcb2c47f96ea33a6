"""Measures how fast each level of a task is in LiteRT, ONNX Runtime and TensorFlow (Table 2).

    python -m experiments.latency --run_dir=runs/J2/dvn/seed0
    python -m experiments.latency --gin_file=gin/j2_tiny.gin --untrained

The second command needs neither training nor data, because time does not depend on what a
network has learned.
"""

from absl import flags

from dvn_runtime.errors import UserError
from experiments import programs
from experiments.folder_flags import define_folder

programs.define_gin_flags()
_RUN_DIR = define_folder("run_dir", None, "Folder of a finished run.", exists=True)
_UNTRAINED = flags.DEFINE_bool("untrained", False, "Time the network of --gin_file, untrained.")
_OUT_DIR = define_folder(
    "out_dir", None, "Folder to write to; by default RUN_DIR/latency or latency/SCENARIO."
)
_TASK = flags.DEFINE_string("task", None, "Name of the task; by default the first task.")
_FORMAT = flags.DEFINE_list(
    "format",
    ["litert", "litert_int8", "onnx", "tf_saved_model"],
    "Formats to time; an unknown name lists them all.",
)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "CPU threads of each runtime.", lower_bound=1, upper_bound=128
)
_ROUNDS = flags.DEFINE_integer("rounds", 50, "How often to time each file.", lower_bound=5)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images in a batch.", lower_bound=1)
_DATA_DIR = programs.define_data_dir_flag()


def main(_):
    settings = {
        "task": _TASK.value,
        "out_dir": _OUT_DIR.value,
        "formats": _FORMAT.value,
        "threads": _THREADS.value,
        "rounds": _ROUNDS.value,
        "batch_size": _BATCH_SIZE.value,
    }
    if not _UNTRAINED.value and _RUN_DIR.value is None:
        raise UserError("nothing to time: give --run_dir, or --gin_file with --untrained")
    settings["imports"] = programs.gin_imports()
    files, params = programs.gin_settings()[:2] if _UNTRAINED.value else ([], [])

    with programs.starting():
        from dvn_tf.benchmarks import latency_study

    if _UNTRAINED.value:
        latency_study.study_untrained(files, params, **settings)
    else:
        latency_study.study_run(_RUN_DIR.value, data_dir=_DATA_DIR.value, **settings)


def _interrupted() -> str:
    return "nothing of what was measured is kept; the same command measures again"


if __name__ == "__main__":
    programs.run(main, _interrupted)
