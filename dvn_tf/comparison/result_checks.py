"""What results.json and history.json may hold: the form, and values that reports can show.

A run folder may come from anywhere. So numbers have bounds, beyond which tables and figures would
take all memory, and texts have no characters that Markdown, HTML or a terminal would obey.
"""

import math
import re
from collections.abc import Iterator

from dvn_tf.errors import shown
from dvn_tf.training.schema import mismatch, results_schema

_OUTPUT = re.compile(r"(?P<task>.+)/level(?P<level>[1-9][0-9]?)", re.DOTALL)
_MEASURED = re.compile(r"val_(?P<output>.+)_accuracy", re.DOTALL)
_LONGEST_TEXT = 200
_NOT_SHOWN = frozenset("<>[]`\\")
_MOST_TASKS = 100
_MOST_EPOCHS = 10**6  # of a stage, and of a history
_LARGEST = 10**15  # any count or time
_MOST_MULTIPLY_ADDS = 10**18  # of a training
# The least values of numbers; all others may be 0.
_AT_LEAST_ONE = (
    "batch_size",
    "units",
    "levels",
    "classes",
    "train_images",
    "test_images",
    "cores",
)


class DamageError(Exception):
    """What is wrong with a file."""


def check_results(results, version: int) -> None:
    """Checks the form and the values of a results.json, but not the counts of test images.

    Args:
        results: what the file holds.
        version: its schema version.

    Raises:
        DamageError: if a value is missing, of another type or cannot be.
    """
    if damage := mismatch(results, results_schema(version)):
        raise DamageError(damage)
    _check_values({key: value for key, value in results.items() if key != "schema_version"}, "")
    _check_names(results)
    for number, stage in enumerate(results["stages"], start=1):
        _check_stage(results, stage, f"stages.{number}")


def check_counts(results: dict) -> None:
    """Checks that accuracies are the quotients of their counts, of all test images of the task.

    Raises:
        DamageError: if one is not.
    """
    for place, name, output in measured(results):
        correct, total = output["correct"], output["total"]
        if not 0 <= correct <= total or total < 1 or output["accuracy"] != correct / total:
            raise DamageError(
                f"'{place}' has {correct} of {total} correct and accuracy {output['accuracy']}"
            )
        images = results["tasks"][split_name(name)[0]]["test_images"]
        if total != images:
            raise DamageError(f"'{place}.total' is {total}, and the task has {images} test images")


def check_history(history) -> None:
    """Checks that a history.json is a list of epochs whose test accuracies are shares.

    Raises:
        DamageError: if it is not.
    """
    if not isinstance(history, list) or not all(isinstance(logs, dict) for logs in history):
        raise DamageError("no list of epochs")
    if len(history) > _MOST_EPOCHS:
        raise DamageError(f"{len(history):,} epochs")
    for epoch, logs in enumerate(history, start=1):
        for name, accuracy in logs.items():
            if _MEASURED.fullmatch(name) and not _is_share(accuracy):
                raise DamageError(f"'{name:.60}' of epoch {epoch} is {shown(accuracy)}")


def measured_outputs(logs: dict) -> Iterator[tuple[str, int, float]]:
    """Task, level and test accuracy of every output in the logs of an epoch."""
    for name, accuracy in logs.items():
        if (match := _MEASURED.fullmatch(name)) and (output := split_name(match["output"])):
            yield *output, accuracy


def measured(results: dict) -> Iterator[tuple[str, str, dict]]:
    """Place, name and contents of every measured output, at the end and after each stage."""
    places = {"outputs": results["outputs"]}
    for number, stage in enumerate(results["stages"], start=1):
        places[f"stages.{number}.outputs"] = stage["outputs"]
    for place, outputs in places.items():
        for name, output in outputs.items():
            yield f"{place}.{name}", name, output


def split_name(output: str) -> tuple[str, int] | None:
    """Task and level of "<task>/level<l>"; None if it is no name of an output."""
    match = _OUTPUT.fullmatch(output)
    return (match["task"], int(match["level"])) if match else None


def is_shown(text: str) -> bool:
    """Whether reports can show a text as it is, in Markdown, HTML, figures and terminals."""
    return text.isprintable() and not _NOT_SHOWN & set(text)


def _check_values(value, place: str) -> None:
    """Checks every number and text, wherever it stands, those that no schema knows too."""
    key = place.rpartition(".")[2]
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise DamageError(f"'{place}' has {len(value):,} characters")
        if not is_shown(value):
            raise DamageError(f"'{place}' is {shown(value)}, which reports cannot show")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # `check_counts` says more about these two.
        least = -_LARGEST if key in ("correct", "total") else int(key in _AT_LEAST_ONE)
        most = _MOST_MULTIPLY_ADDS if key == "training_multiply_adds" else _LARGEST
        if not math.isfinite(value) or not least <= value <= most:
            raise DamageError(f"'{place}' is {value}")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_values(key, place or "results")
            _check_values(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            _check_values(item, f"{place}.{number}")


def _check_names(results: dict) -> None:
    """Checks that every output is of a task and a level, and that accuracies are shares."""
    if results["kind"] not in ("joint", "sequential"):
        raise DamageError(f"'kind' is {results['kind']!r}, not joint or sequential")
    tasks = results["tasks"]
    if not tasks:
        raise DamageError("'tasks' is {}")
    if len(tasks) > _MOST_TASKS:
        raise DamageError(f"'tasks' has {len(tasks):,} tasks")
    for key in ("scenario", "method", "title"):
        if not results[key].strip():
            raise DamageError(f"'{key}' is {results[key]!r}")
    for place, name, output in measured(results):
        task, _ = split_name(name) or ("", 0)
        if task not in tasks:
            raise DamageError(f"'{place}' is of no task and level")
        if not _is_share(output["accuracy"]):
            raise DamageError(f"'{place}.accuracy' is {output['accuracy']}")
        if (adds := output.get("multiply_adds")) is not None and type(adds) is not int:
            raise DamageError(f"'{place}.multiply_adds' is {shown(adds)}")
    adds = results.get("training_multiply_adds", 0)
    if type(adds) is not int:
        raise DamageError(f"'training_multiply_adds' is {shown(adds)}")
    measured_tasks = {split_name(name)[0] for name in results["outputs"]}
    for task in tasks:
        if task not in measured_tasks:
            raise DamageError(f"'outputs' has none of task {task!r}")
    for name, output in results["outputs"].items():
        if not output["density"] > 0:
            raise DamageError(f"'outputs.{name}.density' is {output['density']}")


def _check_stage(results: dict, stage: dict, place: str) -> None:
    # A name is that of a folder: it must not lead out of the run's.
    if not stage["name"] or "/" in stage["name"] or stage["name"].startswith("."):
        raise DamageError(f"'{place}.name' is {stage['name']!r}")
    if stage["epochs"] > _MOST_EPOCHS:
        raise DamageError(f"'{place}.epochs' is {stage['epochs']}")
    for task in stage["learned"]:
        if not isinstance(task, str) or task not in results["tasks"]:
            raise DamageError(f"'{place}.learned' has {shown(task)}, which is no task")


def _is_share(value) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
