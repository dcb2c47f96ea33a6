"""Finished runs as tidy tables: pandas DataFrames with a row for each output.

pandas is imported where it is needed, because `import dvn_tf` brings in this module.
"""

import collections
import json
import math
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dvn_tf.errors import UserError
from dvn_tf.training.schema import COST, MEASURED, RUN, SCHEMA_VERSION, TASK, results_schema

if TYPE_CHECKING:
    import pandas as pd

# The paper's order of methods; others follow, and the DVN comes last.
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
    method (the paper's order, the DVN last), seed, task and level. The columns:

    - `run`: the run's folder.
    - `scenario`, `kind` ("joint" or "sequential"), `method`, `title` (the method's name in
      reports), `backbone`, `seed`, `epochs` (for each task), `batch_size`, `units` and `levels`
      (how many).
    - `num_networks`, `run_parameters`, `run_parameters_paper`: what the run stores, all networks
      together, with everything counted and in the paper's count. `seconds`: its training time.
    - `task`, `classes`, `train_images`, `test_images`.
    - `level`: from 1, the lowest.
    - `accuracy` (test images, from 0 to 1) and `loss` (cross-entropy).
    - `accuracy_after_stage`: the accuracy right after the task's own stage of training. A level
      that the network did not have then takes that of the highest it had; NaN if not measured.
    - `parameters`, `parameters_paper`, `density` (share of the backbone's parameters, in the
      paper's count), `bytes` and `multiply_adds` (for an image): what the output costs.

    Args:
        folder: such as runs, runs/J1, or the folder of a single run.

    Raises:
        UserError: if there is no finished run, or a file is damaged or of another version.
    """
    import pandas as pd

    if not os.fspath(folder):
        raise UserError("nothing to read: name a folder of finished runs (--runs)")
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: name one that holds finished runs (--runs)")
    runs = [(file.parent, _read_results(file)) for file in _visible(folder, "results.json")]
    if not runs:
        unfinished = unfinished_runs(folder)
        hint = f" ({len(unfinished)} not finished: {unfinished[0]})" if unfinished else ""
        raise UserError(
            f"no finished run (results.json) below {folder}{hint}: train first, or name another "
            "folder (--runs)"
        )
    runs.sort(key=lambda run: _rank(run[1]))
    return pd.DataFrame([row for path, results in runs for row in _rows(path, results)])


def read_epochs(outputs: "pd.DataFrame") -> "pd.DataFrame":
    """Reads the histories of runs: the test accuracy of every output after every epoch.

    Args:
        outputs: from `read_runs`.

    Returns:
        A row for each run, epoch and output: `method`, `seed`, `task`, `level`, `accuracy` (from
        0 to 1), `epoch` (from 1, over all stages), `task_epoch` (from 1, over the stages that
        learn the task, NaN in others) and `stage_end` (the last epoch of the stage).

    Raises:
        UserError: if a file is damaged.
    """
    import pandas as pd

    columns = ["method", "seed", "task", "level", "accuracy", "epoch", "task_epoch", "stage_end"]
    rows = []
    for run, *names in outputs[["run", "method", "seed"]].drop_duplicates().to_numpy():
        done, own = 0, collections.Counter()  # epochs of all stages, and of each task's
        for stage, history in _histories(pathlib.Path(run)):
            end = done + len(history)
            for logs in history:
                done += 1
                own.update(stage["learned"])
                for name, accuracy in logs.items():
                    if match := re.fullmatch(r"val_(.+)/level(\d+)_accuracy", name):
                        task, level = match[1], int(match[2])
                        task_epoch = own[task] if task in stage["learned"] else math.nan
                        rows.append((*names, task, level, accuracy, done, task_epoch, end))
    return pd.DataFrame(rows, columns=columns)


def unfinished_runs(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of runs that were begun and have no results yet, without those of stages."""
    folder = pathlib.Path(folder)
    begun = {file.parent for file in _visible(folder, "config.gin")}
    finished = {file.parent for file in folder.rglob("results.json")}
    return sorted(
        run
        for run in begun - finished
        if not any(parent in begun | finished for parent in run.parents)
    )


def _visible(folder: pathlib.Path, name: str) -> list[pathlib.Path]:
    """The files of a name, without those in hidden folders: half-written, or put aside."""
    files = sorted(folder.rglob(name))
    return [f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts)]


def _rank(results: dict) -> tuple:
    method = results["method"]
    place = _ORDER.index(method) if method in _ORDER else len(_ORDER) + (method == "dvn")
    return results["scenario"], place, method, results["seed"]


def _rows(path: pathlib.Path, results: dict) -> Iterator[dict]:
    run = {key: results[key] for key in RUN}
    for key in ("parameters", "parameters_paper"):  # an output has its own
        run[f"run_{key}"] = run.pop(key)
    for task, facts in results["tasks"].items():
        for level, output in _levels(results["outputs"], task).items():
            yield {
                "run": str(path),
                **run,
                "task": task,
                **{key: facts[key] for key in TASK},
                "level": level,
                **{key: output[key] for key in MEASURED},
                "accuracy_after_stage": _after_stage(results["stages"], task, level),
                **{key: output[key] for key in COST},
                "multiply_adds": output.get("multiply_adds"),
            }


def _levels(outputs: dict, task: str) -> dict[int, dict]:
    """{level: output} of one task, the lowest first."""
    found = ((name.rpartition("/level"), output) for name, output in outputs.items())
    return dict(sorted((int(level), output) for (of, _, level), output in found if of == task))


def _after_stage(stages: list[dict], task: str, level: int) -> float:
    for stage in reversed(stages):  # LwF's warm-up learns the task, too, and comes before
        levels = _levels(stage["outputs"], task)
        if task in stage["learned"] and levels:
            return levels.get(level, levels[max(levels)])["accuracy"]
    return math.nan


def _histories(run: pathlib.Path) -> Iterator[tuple[dict, list[dict]]]:
    """The stages of a run with the logs of their epochs, [] where there is no file."""
    stages = read_json(run / "results.json")["stages"]
    for stage in stages:
        file = run / stage["name"] / "history.json"
        if len(stages) == 1 and (run / "history.json").exists():
            file = run / "history.json"  # a run of one stage has no folder for it
        history = read_json(file) if file.exists() else []
        if not isinstance(history, list) or not all(isinstance(logs, dict) for logs in history):
            raise UserError(f"{file} is damaged (no list of epochs): move its run away")
        yield stage, history


def read_json(file: pathlib.Path):
    """The value that a JSON file holds.

    Raises:
        UserError: if the file cannot be read, or is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} is damaged: delete it, and the run's command writes it again"
        ) from error


def _read_results(file: pathlib.Path) -> dict:
    """What a results.json holds, checked."""
    results = read_json(file)
    version = results.get("schema_version", 1) if isinstance(results, dict) else SCHEMA_VERSION
    if version not in (1, SCHEMA_VERSION):
        raise UserError(
            f"{file} has schema version {version!r}, and this dvn_tf reads versions 1 to "
            f"{SCHEMA_VERSION}: install the dvn_tf that wrote it, or move its run away"
        )
    try:
        _check(results, results_schema(version), "")
        _check_names(results)
        if version == 1:
            _add_counts(results)
        _check_counts(results)
    except _DamageError as damage:
        raise UserError(
            f"{file} is incomplete or damaged ({damage}): delete it, and the run's command "
            "writes it again"
        ) from None
    return results


def _add_counts(results: dict) -> None:
    """Brings schema version 1 to today's form: a count is what its accuracy was rounded from."""
    for _, name, output in _measured(results):
        total = results["tasks"][name.rpartition("/level")[0]]["test_images"]
        correct = round(output["accuracy"] * total)
        output |= {"correct": correct, "total": total, "accuracy": correct / max(1, total)}
    results["provenance"] = None


def _measured(results: dict) -> Iterator[tuple[str, str, dict]]:
    """Where an output was measured, its name, and the figures; all places one after the other."""
    places = {"outputs": results["outputs"]}
    for number, stage in enumerate(results["stages"], start=1):
        places[f"stages.{number}.outputs"] = stage["outputs"]
    for place, outputs in places.items():
        for name, output in outputs.items():
            yield f"{place}.{name}", name, output


def _check_counts(results: dict) -> None:
    """Checks that accuracies are the quotients of their counts."""
    for place, _, output in _measured(results):
        correct, total = output["correct"], output["total"]
        if not 0 <= correct <= total or total < 1 or output["accuracy"] != correct / total:
            raise _DamageError(
                f"'{place}' has {correct} of {total} correct and accuracy {output['accuracy']}"
            )


class _DamageError(Exception):
    """What is wrong with a file."""


def _check(value, schema, place: str) -> None:
    """Checks that a value has the form that a part of `RESULTS` describes."""
    kind = type(schema) if isinstance(schema, dict | list) else schema
    # A bool is an int to Python, and is never what is meant here.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _DamageError(f"'{place or 'results'}' is {value!r:.40}")
    if isinstance(schema, list):
        value, schema = dict(enumerate(value, start=1)), {"*": schema[0]}
    if isinstance(schema, dict):
        for key in value if "*" in schema else schema:
            inner = f"{place}.{key}" if place else key
            if key not in value:
                raise _DamageError(f"no '{inner}'")
            _check(value[key], schema.get("*") or schema[key], inner)


def _check_names(results: dict) -> None:
    """Checks that every output is of a task and a level, and that accuracies are shares."""
    if results["kind"] not in ("joint", "sequential"):
        raise _DamageError(f"'kind' is {results['kind']!r}, not joint or sequential")
    if not results["tasks"]:
        raise _DamageError("'tasks' is {}")
    for place, name, output in _measured(results):
        task, _, level = name.rpartition("/level")
        if task not in results["tasks"] or not level.isdecimal():
            raise _DamageError(f"'{place}' is of no task and level")
        if not 0 <= output["accuracy"] <= 1:
            raise _DamageError(f"'{place}.accuracy' is {output['accuracy']}")
    for task in results["tasks"]:
        if not _levels(results["outputs"], task):
            raise _DamageError(f"'outputs' has none of task {task!r}")
