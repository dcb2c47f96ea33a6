"""What the programs that train share: their flags, and a run for each seed."""

import pathlib

from absl import flags

from dvn_runtime.errors import UserError
from experiments import endings, programs
from experiments.folder_flags import define_folder

programs.define_gin_flags()
_RUN_DIR = define_folder(
    "run_dir", None, "Folder of a single run; by default RUNS_DIR/<scenario>/<method>/seed<n>."
)
_RUNS_DIR = define_folder("runs_dir", "runs", "Folder of all runs.")
_DATA_DIR = programs.define_data_dir_flag()
_SEED = flags.DEFINE_integer("seed", None, "Recipe.seed of a single run.")
_SEEDS = flags.DEFINE_list("seeds", [], "Do one run for each of these seeds, as in 0,1,2.")
_KERAS_PROGRESS = flags.DEFINE_bool(
    "keras_progress",
    False,
    "Show Keras's own progress bar, with the loss and accuracy of every output.",
)
_DEVICES = flags.DEFINE_integer(
    "devices",
    None,
    "How many devices of each process to use; by default all accelerators.",
    lower_bound=1,
)
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    True,
    "Train together with the other processes of a job, where KERAS_DISTRIBUTION_* or a step of "
    "SLURM with several tasks says that there are some.",
)

_begun: list[pathlib.Path] = []  # the folders of the runs so far, for `interrupted`


def train(sequential: bool, initial_run: str | None = None) -> None:
    """Runs what the flags name, once for each seed.

    Args:
        sequential: which kind of scenario the program is for.
        initial_run: see `dvn_tf.training.runs.run`; "{seed}" in it stands for the seed.

    Raises:
        UserError: if the flags contradict each other, or a run cannot be done.
        Ended: if a signal stopped a run after a step.
    """
    seeds = _seed_params()
    files, params, imports = programs.gin_settings()

    with programs.starting():
        import keras

        from dvn_tf import distribution
        from dvn_tf.training import configuration, runs
        from dvn_tf.training.run_folder import RunFolder
        from dvn_tf.training.stopping import Stopped
        from experiments.stop_request import StopRequest

    experiments = [
        configuration.read_experiment(files, [*params, *seed], imports) for seed in seeds
    ]
    scenario = experiments[0].scenario
    if scenario.sequential != sequential:
        kind = "sequential" if scenario.sequential else "joint"
        raise UserError(
            f"scenario {scenario.name} is {kind}: run it with python -m experiments.{kind}"
        )
    place = distribution.find_place() if _DISTRIBUTED.value else None
    if place is not None:
        endings.end_before_libraries()
    ended = None
    with distribution.joined(place) as processes:
        for number, experiment in enumerate(experiments, start=1):
            folder = runs.default_folder(experiment, _RUNS_DIR.value)
            if _RUN_DIR.value is not None:
                folder = RunFolder(_RUN_DIR.value)
            _begun.append(pathlib.Path(folder.path))
            initial = initial_run and initial_run.replace("{seed}", str(experiment.recipe.seed))
            # A run within a series gives the same as by itself.
            keras.utils.clear_session()
            stop = StopRequest(interrupted)
            try:
                runs.run(
                    experiment,
                    folder,
                    _DATA_DIR.value,
                    initial,
                    series=(number, len(experiments)),
                    keras_progress=_KERAS_PROGRESS.value,
                    stop=stop,
                    processes=processes,
                    devices=_DEVICES.value,
                )
            except Stopped as stopped:
                line = f"{stopped}: the same command goes on from there"
                ended = endings.Ended(stop.status, line)
                break
    if ended is not None:
        raise ended


def interrupted() -> str:
    """What a signal leaves of the run that it ended, unless it ended after a step."""
    if not _begun:
        return "no run has begun, and nothing was written"
    folder = _begun[-1]
    if (folder / "results.json").exists():
        return f"the run in {folder} is finished"
    if not (folder / "config.gin").exists():
        return f"nothing of the run in {folder} was written; the same command begins it"
    if any(folder.rglob("checkpoints/epoch-*-step-*.checkpoint")):
        return f"the same command continues the run in {folder} after the step of its checkpoint"
    # Not those that end in ".damaged".
    if any(folder.rglob("checkpoints/epoch-*[!d]")) or any(folder.rglob("stage.json")):
        return f"the same command continues the run in {folder} after its last complete epoch"
    return f"the run in {folder} has no complete epoch yet; the same command begins it anew"


def _seed_params() -> list[list[str]]:
    """For each run, the gin parameters that set its seed."""
    if not _SEEDS.value:
        return [[] if _SEED.value is None else [f"Recipe.seed = {_SEED.value}"]]
    if _SEED.value is not None or _RUN_DIR.value is not None:
        other = "--run_dir" if _SEED.value is None else "--seed"
        raise UserError(
            f"--seeds and {other} exclude each other: --seeds makes a folder for each seed"
        )
    seeds = [seed.strip() for seed in _SEEDS.value]
    wrong = [seed for seed in seeds if not seed.isdecimal()]
    if wrong:
        raise UserError(f"--seeds takes whole numbers as in 0,1,2, not {wrong[0]!r}")
    seeds = [int(seed) for seed in seeds]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise UserError(f"--seeds lists seed {twice[0]} twice: name each seed once")
    return [[f"Recipe.seed = {seed}"] for seed in seeds]
