"""How fast every level of a task is in LiteRT, ONNX Runtime and TensorFlow (Table 2).

    python -m experiments.latency --run_dir=runs/J2/dvn/seed0
    python -m experiments.latency --gin_file=gin/j2_tiny.gin --untrained

The second needs no training and no data: time does not depend on what a network has learned.
"""

from absl import flags

from dvn_runtime.errors import UserError
from experiments import programs

programs.define_gin_flags()
_RUN_DIR = flags.DEFINE_string("run_dir", None, "Folder of a finished run.")
_UNTRAINED = flags.DEFINE_bool("untrained", False, "Time the gin file's network, not trained.")
_OUT_DIR = flags.DEFINE_string(
    "out_dir", None, "Folder to write; by default RUN/latency or latency/<scenario>."
)
_TASK = flags.DEFINE_string("task", None, "The task; by default the first.")
_FORMAT = flags.DEFINE_list(
    "format", ["litert", "litert_int8", "onnx", "tf_saved_model"], "Formats to time."
)
_THREADS = flags.DEFINE_integer("threads", 1, "CPU threads.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 50, "Timed calls of each file.", lower_bound=5)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images of the batch.", lower_bound=1)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of TFDS's prepared datasets; by default TFDS's own."
)


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
    gin_settings = programs.gin_settings() if _UNTRAINED.value else ()

    from dvn_tf.benchmarks import latency_report

    if _UNTRAINED.value:
        latency_report.untrained_report(*gin_settings, **settings)
    else:
        latency_report.run_report(_RUN_DIR.value, data_dir=_DATA_DIR.value, **settings)


if __name__ == "__main__":
    programs.run(main)
