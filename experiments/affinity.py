"""Learns a unit table: measures what each unit of a short run has to give each task.

    python -m experiments.affinity --run_dir=runs/J2/dvn/seed0
    python -m experiments.joint --gin_file=gin/j2_tiny.gin --gin_file=runs/J2/dvn/seed0/affinity.gin

The second command trains with the learned table. Only training images are used.
"""

from absl import flags

from experiments import programs
from experiments.folder_flags import define_file, define_folder

_RUN_DIR = define_folder(
    "run_dir", None, "Folder of a finished joint run of the DVN.", exists=True, required=True
)
_OUT = define_file(
    "out", None, "Gin file to write; by default RUN_DIR/affinity.gin.", ending=".gin"
)
_IMAGES = flags.DEFINE_integer(
    "images", 2_000, "Training images of each task to use, at most.", lower_bound=4
)
_DATA_DIR = programs.define_data_dir_flag()
programs.define_gin_import_flag()


def main(_):
    imports = programs.gin_imports()

    with programs.starting():  # only now: TensorFlow takes seconds to import
        from dvn_tf.training import affinity_report

    affinity_report.learn_table(
        _RUN_DIR.value, _OUT.value, _IMAGES.value, _DATA_DIR.value, imports=imports
    )


def _interrupted() -> str:
    return "the gin file, if it is there, is complete; the same command measures again"


if __name__ == "__main__":
    programs.run(main, _interrupted)
