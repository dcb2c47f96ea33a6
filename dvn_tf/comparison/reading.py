"""Finding the finished runs below a folder, and checking that they can be compared."""

import json
import os
import pathlib

from dvn_tf.comparison.runs import Comparison, Method, Run
from dvn_tf.errors import UserError

_NUMBER = (int, float)
_KEYS = {
    "scenario": str,
    "kind": str,
    "method": str,
    "title": str,
    "seed": int,
    "epochs": int,
    "backbone": str,
    "batch_size": int,
    "units": int,
    "levels": int,
    "tasks": dict,
    "num_networks": int,
    "parameters": int,
    "parameters_paper": int,
    "seconds": _NUMBER,
    "outputs": dict,
    "stages": list,
}
_TASK_KEYS = {"classes": int, "train_images": int, "test_images": int}
_RESULT_KEYS = {"accuracy": _NUMBER, "loss": _NUMBER}
_OUTPUT_KEYS = _RESULT_KEYS | {
    "parameters": int,
    "parameters_paper": int,
    "density": _NUMBER,
    "bytes": int,
}
_STAGE_KEYS = {"name": str, "epochs": int, "learned": list, "outputs": dict}
# What must agree between all runs of a scenario, and between the runs of one method.
_SETTINGS = ("kind", "backbone", "epochs", "batch_size", "tasks")
_METHOD_SETTINGS = ("title", "units", "levels", "num_networks", "parameters", "parameters_paper")
# The paper's order; methods that it does not have come between, its own comes last.
_ORDER = (
    "baseline",
    "feature_extraction",
    "da_cnn",
    "lwf",
    "packnet",
    "nestednet",
    "nestednet_single",
)


def read_comparison(runs: str | os.PathLike) -> Comparison:
    """Reads every `results.json` below a folder.

    Args:
        runs: the folder, such as runs/J1.

    Returns:
        The runs by method, and the folders of runs that are not finished.

    Raises:
        UserError: if there is no run, if a file is damaged or incomplete, or if the runs are of
            several scenarios, of different settings, or twice of one method and seed.
    """
    if not os.fspath(runs):
        raise UserError("nothing to compare: give --runs, a folder of finished runs")
    folder = pathlib.Path(runs)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: give --runs the folder of finished runs")
    files = sorted(file for file in folder.rglob("results.json") if _visible(file, folder))
    found = [_read_run(file) for file in files]
    unfinished = _unfinished(folder)
    if not found:
        hint = f" ({len(unfinished)} not finished: {unfinished[0]})" if unfinished else ""
        raise UserError(
            f"no finished run (results.json) below {folder}{hint}: train first, or give --runs "
            "another folder"
        )
    _check_scenario(folder, found)
    _check_seeds(found)
    _check_settings(found)
    keys = sorted({run.method for run in found}, key=_rank)
    methods = {key: _method(key, [run for run in found if run.method == key]) for key in keys}
    return Comparison(folder, methods, tuple(unfinished))


def _visible(path: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether no folder on the way is hidden: those are half-written or put aside."""
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _unfinished(folder: pathlib.Path) -> list[pathlib.Path]:
    """Folders of runs that were begun and have no results yet; stages are not named apart."""
    begun = {file.parent for file in folder.rglob("config.gin") if _visible(file, folder)}
    finished = {file.parent for file in folder.rglob("results.json")}
    return sorted(
        run
        for run in begun - finished
        if not any(parent in begun | finished for parent in run.parents)
    )


def _read_run(file: pathlib.Path) -> Run:
    results = read_json(file)
    _check_keys(file, results, _KEYS)
    if results["kind"] not in ("joint", "sequential"):
        raise _incomplete(file, f"'kind' is {results['kind']!r}, not joint or sequential")
    for task, values in results["tasks"].items():
        _check_keys(file, values, _TASK_KEYS, f"tasks.{task}.")
    _check_outputs(file, results["outputs"], results["tasks"], _OUTPUT_KEYS, "outputs.")
    for task in results["tasks"]:
        if not any(name.rsplit("/level", 1)[0] == task for name in results["outputs"]):
            raise _incomplete(file, f"'outputs' has none of task {task!r}")
    for number, stage in enumerate(results["stages"], start=1):
        _check_keys(file, stage, _STAGE_KEYS, f"stages.{number}.")
        _check_outputs(
            file, stage["outputs"], results["tasks"], _RESULT_KEYS, f"stages.{number}.outputs."
        )
    return Run(file.parent, results)


def read_json(file: pathlib.Path):
    """The value that a JSON file holds.

    Raises:
        UserError: if it cannot be read, or is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} is damaged: delete it, and the run's command writes it again"
        ) from error


def _check_keys(file, values, keys: dict, place: str = "") -> None:
    if not isinstance(values, dict):
        raise _incomplete(file, f"'{place.rstrip('.') or 'results'}' is no dictionary")
    for key, kind in keys.items():
        if key not in values:
            raise _incomplete(file, f"no '{place}{key}'")
        # A bool is an int to Python, and is never what is meant here.
        if not isinstance(values[key], kind) or isinstance(values[key], bool):
            raise _incomplete(file, f"'{place}{key}' is {values[key]!r:.40}")


def _check_outputs(file, outputs: dict, tasks: dict, keys: dict, place: str) -> None:
    for name, output in outputs.items():
        task, _, level = name.rpartition("/level")
        if task not in tasks or not level.isdecimal():
            raise _incomplete(file, f"'{place}{name}' is of no task and level")
        _check_keys(file, output, keys, f"{place}{name}.")
        if not 0 <= output["accuracy"] <= 1:
            raise _incomplete(file, f"'{place}{name}.accuracy' is {output['accuracy']}")


def _incomplete(file: pathlib.Path, what: str) -> UserError:
    return UserError(
        f"{file} is incomplete or damaged ({what}): delete it, and the run's command writes it "
        "again"
    )


def _check_scenario(folder: pathlib.Path, runs: list[Run]) -> None:
    scenarios = sorted({run.results["scenario"] for run in runs})
    if len(scenarios) > 1:
        paths = [run.path for run in runs if run.results["scenario"] == scenarios[0]]
        raise UserError(
            f"{folder} holds runs of several scenarios ({', '.join(scenarios)}): name one, such "
            f"as --runs={os.path.commonpath(paths)}"
        )


def _check_seeds(runs: list[Run]) -> None:
    seen = {}
    for run in runs:
        key = (run.method, run.seed)
        if key in seen:
            raise UserError(
                f"method {run.method} with seed {run.seed} is there twice, in {seen[key]} and "
                f"{run.path}: move one of them away"
            )
        seen[key] = run.path


def _check_settings(runs: list[Run]) -> None:
    """Checks that a difference between runs can only come from the method and the seed."""
    first_of = {}
    for run in runs:
        _check_equal(runs[0], run, {key: run.results[key] for key in _SETTINGS})
        first = first_of.setdefault(run.method, run)
        _check_equal(first, run, {key: run.results[key] for key in _METHOD_SETTINGS})
        one, other = (", ".join(sorted(r.results["outputs"])) for r in (first, run))
        if one != other:
            raise _mixed(first, run, "outputs", one, other)


def _check_equal(first: Run, run: Run, settings: dict) -> None:
    for key, value in settings.items():
        other = first.results[key]
        if key == "tasks" and list(other) != list(value):
            raise _mixed(first, run, "tasks", ", ".join(other), ", ".join(value))
        if key == "tasks":
            for task in value:
                for part in _TASK_KEYS:
                    if other[task][part] != value[task][part]:
                        raise _mixed(
                            first, run, f"{part} of {task}", other[task][part], value[task][part]
                        )
        elif other != value:
            raise _mixed(first, run, key, other, value)


def _mixed(first: Run, run: Run, field: str, one, other) -> UserError:
    return UserError(
        f"{first.path} and {run.path} differ in {field} ({one}; {other}): only runs of the same "
        "settings can be compared, move the others to a folder of their own"
    )


def _rank(method: str) -> tuple:
    if method == "dvn":
        return (2, 0, method)
    return (0, _ORDER.index(method), method) if method in _ORDER else (1, 0, method)


def _method(key: str, runs: list[Run]) -> Method:
    return Method(key, runs[0].results["title"], tuple(sorted(runs, key=lambda run: run.seed)))
