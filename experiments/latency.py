"""How fast every level of a task is in LiteRT, ONNX Runtime and TensorFlow (Table 2).

    python -m experiments.latency --run_dir=runs/J2/dvn/seed0
    python -m experiments.latency --gin_file=gin/j2_tiny.gin --untrained

The second needs no training and no data: time does not depend on what a network has learned.
"""

from absl import flags

from experiments import programs

programs.define_gin_flags()
flags.adopt_module_key_flags(programs)  # so that --help shows them
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
    from dvn_tf.latency import report  # after the flags were parsed: TensorFlow takes seconds

    settings = {
        "task": _TASK.value,
        "out_dir": _OUT_DIR.value,
        "formats": _FORMAT.value,
        "threads": _THREADS.value,
        "rounds": _ROUNDS.value,
        "batch_size": _BATCH_SIZE.value,
    }
    if _UNTRAINED.value:
        report.untrained_report(flags.FLAGS.gin_file, flags.FLAGS.gin_param, **settings)
    else:
        report.run_report(_RUN_DIR.value, data_dir=_DATA_DIR.value, **settings)


if __name__ == "__main__":
    programs.run(main)
