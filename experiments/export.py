"""Exports the virtual networks of a finished run as plain networks, for use elsewhere.

    python -m experiments.export --run_dir=runs/quickstart/dvn/seed0

Each (task, level) becomes a Keras model and a SavedModel that need nothing of this package;
--format chooses other formats. --bundle exports several as one SavedModel with shared weights,
--increments the levels of a run with causal levels one on top of the other.
Whichever of Keras's backends trained the run, TensorFlow writes it.
"""

import os

from absl import flags

from dvn_runtime.errors import UserError
from experiments import programs
from experiments.folder_flags import define_folder

# Containers may limit threads, of which an export on 64 cores would start hundreds; see
# tests/export/test_threads.py. Most of its work runs on one core anyway.
_CORES = 4
_RUN_DIR = define_folder("run_dir", None, "Folder of a finished run.", exists=True, required=True)
_EXPORT_DIR = define_folder("export_dir", None, "Folder to write to; by default RUN_DIR/export.")
_FORMAT = flags.DEFINE_list(
    "format",
    ["keras", "tf_saved_model"],
    "Formats to write, such as litert,onnx; an unknown name lists them all.",
)
_TASK = flags.DEFINE_string("task", None, "Name of one task; by default all tasks.")
_LEVEL = flags.DEFINE_integer("level", None, "One level, from 1; by default all levels.")
_BUNDLE = flags.DEFINE_list(
    "bundle",
    [],
    "Virtual networks to write as one SavedModel, such as task1/level1,task2/level2, or all.",
)
_INCREMENTS = flags.DEFINE_bool(
    "increments",
    False,
    "Write level 1 of each task and what each further level adds, for runs with DVN.causal; in "
    "the formats keras and litert.",
)
_RAW = flags.DEFINE_bool(
    "raw", False, "Write networks that take uint8 images and return probabilities."
)
_LOGITS = flags.DEFINE_bool(
    "logits",
    False,
    "Write networks that return logits in every format; LiteRT's return probabilities otherwise.",
)
_SERVING = flags.DEFINE_bool(
    "serving", False, "Write SavedModels in the version folders that TensorFlow Serving wants."
)
_CLASS_NAMES = flags.DEFINE_bool(
    "class_names", False, "Let SavedModels give the names of the classes as a second output."
)
_DEFAULT = flags.DEFINE_string(
    "default",
    None,
    "Virtual network of a bundle that answers a call without a signature, such as task1/level1.",
)
_SIGN = flags.DEFINE_string(
    "sign", None, "PEM file of the Ed25519 private key to sign the manifest with."
)
_DATA_DIR = programs.define_data_dir_flag()
programs.define_gin_import_flag()


def main(_):
    if _DEFAULT.value and not _BUNDLE.value:
        raise UserError("--default is for bundles: add --bundle=all, or leave it out")
    if _INCREMENTS.value:
        _check_increments()
    imports = programs.gin_imports()

    # It alone writes all formats, and the files are then the same whatever KERAS_BACKEND says.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    programs.limit_cores(_CORES)
    with programs.starting():  # only now: TensorFlow takes seconds to import
        from dvn_tf import export

    options = {
        "export_dir": _EXPORT_DIR.value,
        "raw": _RAW.value,
        "logits": _LOGITS.value,
        "data_dir": _DATA_DIR.value,
        "imports": imports,
        "sign": _SIGN.value,
        "serving": _SERVING.value,
        "class_names": _CLASS_NAMES.value,
    }
    if _INCREMENTS.value:
        formats = _FORMAT.value if _FORMAT.present else ("keras", "litert")
        common = {key: options[key] for key in ("export_dir", "data_dir", "imports", "sign")}
        export.export_increments(_RUN_DIR.value, formats=formats, task=_TASK.value, **common)
    elif _BUNDLE.value:
        export.export_bundle(_RUN_DIR.value, _BUNDLE.value, default=_DEFAULT.value, **options)
    else:
        export.export_run(
            _RUN_DIR.value, formats=_FORMAT.value, task=_TASK.value, level=_LEVEL.value, **options
        )


def _check_increments() -> None:
    others = (_BUNDLE, _LEVEL, _RAW, _LOGITS, _SERVING, _CLASS_NAMES)
    if given := [flag.name for flag in others if flag.present]:
        raise UserError(
            f"--increments writes all levels, which give logits: leave out --{given[0]}"
        )


def _interrupted() -> str:
    return (
        "files that are finished are complete, but not all are; the same command writes all of them"
    )


if __name__ == "__main__":
    programs.run(main, _interrupted)
