"""Joint learning of several tasks at several memory levels in one network.

    python -m experiments.joint --gin_file=gin/quickstart.gin

trains the scenario of a gin file and writes a run folder. The same command continues a run
that was interrupted.
"""

from absl import flags

from dvn_tf import configuration, joint, programs

programs.define_gin_flags()
flags.adopt_module_key_flags(programs)  # so that --help shows them
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the run; by default runs/<scenario>/dvn/seed<n>."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of TFDS's prepared datasets; by default TFDS's own."
)
_SEED = flags.DEFINE_integer("seed", None, "Recipe.seed of this run.")


def main(_):
    params = list(flags.FLAGS.gin_param)
    if _SEED.value is not None:
        params.append(f"Recipe.seed = {_SEED.value}")
    scenario, recipe, config = configuration.read_config(flags.FLAGS.gin_file, params)
    joint.run_joint(scenario, recipe, config, _RUN_DIR.value, _DATA_DIR.value)


if __name__ == "__main__":
    programs.run(main)
