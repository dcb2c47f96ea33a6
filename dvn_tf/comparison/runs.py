"""Finished runs as tidy tables: pandas DataFrames with a row for each output.

pandas is imported where it is needed, because `import dvn_tf` brings in this module.
"""

import collections
import math
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dvn_tf.comparison.result_checks import is_shown, measured_outputs
from dvn_tf.comparison.result_files import (
    first_levels,
    levels_of,
    read_history,
    read_results,
    visible_files,
)
from dvn_tf.comparison.training_cost import training_multiply_adds
from dvn_tf.errors import UserError
from dvn_tf.training.schema import COST, PROVENANCE, RUN, TASK

if TYPE_CHECKING:
    import pandas as pd

# The paper's order of methods; others follow, and the DVN comes last, before its variants.
_ORDER = (
    "baseline",
    "feature_extraction",
    "da_cnn",
    "lwf",
    "packnet",
    "nestednet",
    "nestednet_single",
)


def read_runs(folder: str | os.PathLike) -> "pd.DataFrame":
    """Reads the finished runs below a folder into one tidy table, a row for each output.

    Runs of several scenarios and settings may lie there. The rows are in the order of scenario,
    method (the paper's order, the DVN last; variants follow their method), seed, task and level.
    The columns:

    - `run`: the run's folder.
    - `scenario`, `kind` ("joint" or "sequential"), `method`, `title` (the method's name in
      reports), `backbone`, `seed`, `epochs` (for each task), `batch_size`, `units` and `levels`
      (how many).
    - `num_networks`, `run_parameters`, `run_parameters_paper`: what the run stores, all networks
      together, with everything counted and in the paper's count. `seconds`: its training time.
      `training_multiply_adds`: see `training_cost`; NaN in files that do not have the sizes.
    - `task`, `classes`, `train_images`, `test_images`.
    - `level`: from 1, the lowest.
    - `correct` and `total` (test images), `accuracy` (their quotient, from 0 to 1) and `loss`
      (cross-entropy).
    - `correct_after_stage`, `accuracy_after_stage`: the same right after the task's own stage of
      training. A level that the network did not have then takes those of the highest it had; NaN
      if not measured.
    - `parameters`, `parameters_paper`, `density` (share of the backbone's parameters, in the
      paper's count), `bytes` and `multiply_adds` (for an image): what the output costs.
    - `finished` (when, as ISO 8601), `dvn_tf`, `keras`, `backend`, `backend_version`, `python`,
      `commit`, `device` and `cores`: when, with which versions and on what the run was trained;
      NaN where the file does not say, as with files of dvn_tf 0.1 and 0.2.

    Args:
        folder: such as runs, runs/J1, or the folder of a single run.

    Raises:
        UserError: if there is no finished run, or a file is damaged or of another version.
    """
    import pandas as pd

    if not os.fspath(folder):
        raise UserError("nothing to read: name a folder of finished runs (--runs)")
    folder = _checked_folder(folder)
    runs = [(file.parent, read_results(file)) for file in visible_files(folder, "results.json")]
    for path, _ in runs:
        if not is_shown(str(path)):
            raise UserError(f"reports cannot show the path {str(path)!a}: rename its folder")
    if not runs:
        unfinished = unfinished_runs(folder)
        hint = f" ({len(unfinished)} not finished: {unfinished[0]})" if unfinished else ""
        raise UserError(
            f"no finished run (results.json) below {folder}{hint}: train first, or name another "
            "folder (--runs)"
        )
    runs.sort(key=lambda run: _rank(run[1]))
    return pd.DataFrame([row for path, results in runs for row in _rows(path, results)])


def _checked_folder(folder: str | os.PathLike) -> pathlib.Path:
    path = pathlib.Path(folder)
    try:
        path.stat()
    except FileNotFoundError:
        raise UserError(
            f"there is no folder {path}: name one that holds finished runs (--runs)"
        ) from None
    except OSError as error:
        raise UserError(f"cannot read the folder {path}: {error.strerror or error}") from None
    except ValueError as error:  # a null byte
        raise UserError(f"{str(path)!r} is no folder: {error}") from None
    if not path.is_dir():
        raise UserError(f"{path} is no folder: name one that holds finished runs (--runs)")
    return path


def read_epochs(outputs: "pd.DataFrame") -> "pd.DataFrame":
    """Reads the histories of runs: the test accuracy of every output after every epoch.

    Args:
        outputs: from `read_runs`.

    Returns:
        A row for each run, epoch and output: `method`, `seed`, `task`, `level`, `accuracy` (from
        0 to 1), `epoch` (from 1, over all stages), `task_epoch` (from 1, over the stages in
        which the network learns the task, NaN in others) and `stage_end` (the last epoch of the
        stage). A stage without history.json has none.

    Raises:
        UserError: if a file is damaged.
    """
    import pandas as pd

    columns = ["method", "seed", "task", "level", "accuracy", "epoch", "task_epoch", "stage_end"]
    rows = []
    for run, *names in outputs[["run", "method", "seed"]].drop_duplicates().to_numpy():
        done, own = 0, collections.Counter()  # epochs of all stages, and of each network's tasks
        for stage, first, history in _histories(pathlib.Path(run)):
            learned = set(stage["learned"])
            length = len(history) or stage["epochs"]
            for epoch, logs in enumerate(history, start=1):
                for task, level, accuracy in measured_outputs(logs):
                    task_epoch = own[task, first] + epoch if task in learned else math.nan
                    epochs = (done + epoch, task_epoch, done + length)
                    rows.append((*names, task, first + level - 1, accuracy, *epochs))
            done += length
            own.update(dict.fromkeys(((task, first) for task in learned), length))
    return pd.DataFrame(rows, columns=columns)


def runs_without_history(outputs: "pd.DataFrame") -> list[str]:
    """The runs that lack the history.json of a stage.

    Args:
        outputs: from `read_runs`.
    """
    histories = {run: _histories(pathlib.Path(run)) for run in outputs["run"].unique()}
    return [
        run
        for run, stages in histories.items()
        if any(stage["epochs"] and not history for stage, _, history in stages)
    ]


def unfinished_runs(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of runs that were begun and have no results yet, without those of stages."""
    folder = pathlib.Path(folder)
    begun = {file.parent for file in visible_files(folder, "config.gin")}
    finished = {file.parent for file in visible_files(folder, "results.json")}
    return sorted(
        run
        for run in begun - finished
        if not any(parent in begun | finished for parent in run.parents)
    )


def _rank(results: dict) -> tuple:
    method = results["method"]
    order = (*_ORDER, "others", "dvn")
    families = [name for name in order if f"{method}_".startswith(f"{name}_")]
    place = order.index(max(families, key=len, default="others"))
    return results["scenario"], place, method, results["seed"]


def _rows(path: pathlib.Path, results: dict) -> Iterator[dict]:
    run = {key: results[key] for key in RUN}
    for key in ("parameters", "parameters_paper"):  # an output has its own
        run[f"run_{key}"] = run.pop(key)
    adds = training_multiply_adds(results)
    run["training_multiply_adds"] = math.nan if adds is None else float(adds)
    found = results["provenance"]
    provenance = {key: math.nan if found.get(key) is None else found[key] for key in PROVENANCE}
    for task, facts in results["tasks"].items():
        for level, output in levels_of(results["outputs"], task).items():
            correct = _after_stage(results, task, level)
            yield {
                "run": str(path),
                **run,
                "task": task,
                **{key: facts[key] for key in TASK},
                "level": level,
                "correct": output["correct"],
                "total": output["total"],
                "accuracy": output["correct"] / output["total"],
                "loss": output["loss"],
                "correct_after_stage": correct,
                "accuracy_after_stage": correct / output["total"],
                **{key: output[key] for key in COST},
                "multiply_adds": output.get("multiply_adds"),
                **provenance,
            }


def _after_stage(results: dict, task: str, level: int) -> float:
    """The correct test images right after the task's own stage, NaN if not measured."""
    stages = zip(results["stages"], first_levels(results), strict=True)
    for stage, first in reversed([*stages]):  # LwF's warm-up learns the task, too, before it
        levels = levels_of(stage["outputs"], task)
        if task in stage["learned"] and levels and first <= level:
            own = level - first + 1
            return levels.get(own, levels[max(levels)])["correct"]
    return math.nan


def _histories(run: pathlib.Path) -> Iterator[tuple[dict, int, list[dict]]]:
    """The stages of a run, their `first_levels` and logs by epoch, [] where there is no file."""
    results = read_results(run / "results.json")
    stages = results["stages"]
    for stage, first in zip(stages, first_levels(results), strict=True):
        file = run / stage["name"] / "history.json"
        if len(stages) == 1 and os.path.lexists(run / "history.json"):
            file = run / "history.json"  # a run of one stage has no folder for it
        yield stage, first, read_history(file) if os.path.lexists(file) else []
