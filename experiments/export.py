"""Writes the virtual networks of a finished run as plain networks, for use elsewhere.

    python -m experiments.export --run_dir=runs/quickstart/dvn/seed0

Each (task, level) becomes a Keras model and a SavedModel that need nothing of this package;
--format chooses others. --bundle writes one SavedModel that holds several of them.
"""

from absl import flags

from experiments import programs

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "Folder to write; by default RUN/export.")
_FORMAT = flags.DEFINE_list(
    "format",
    ["keras", "tf_saved_model"],
    "Some of keras, tf_saved_model, litert, litert_int8, onnx.",
)
_TASK = flags.DEFINE_string("task", None, "A task's name; by default all.")
_LEVEL = flags.DEFINE_integer("level", None, "A level, from 1; by default all.")
_BUNDLE = flags.DEFINE_list(
    "bundle", [], "Write these, as in task1/level1,task2/level2, or all into one SavedModel."
)
_RAW = flags.DEFINE_bool("raw", False, "Take uint8 images, and give probabilities.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of TFDS's prepared datasets; by default TFDS's own."
)


def main(_):
    from dvn_tf import export

    where = {"export_dir": _EXPORT_DIR.value, "raw": _RAW.value, "data_dir": _DATA_DIR.value}
    if _BUNDLE.value:
        export.export_bundle(_RUN_DIR.value, _BUNDLE.value, **where)
    else:
        export.export_run(
            _RUN_DIR.value, formats=_FORMAT.value, task=_TASK.value, level=_LEVEL.value, **where
        )


if __name__ == "__main__":
    programs.run(main)
