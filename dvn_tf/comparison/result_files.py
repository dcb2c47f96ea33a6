"""The files of finished runs: found, read and checked."""

import collections
import fnmatch
import os
import pathlib

from dvn_runtime.files import JSON_LIMIT, parse_json, read_bytes
from dvn_tf.comparison.result_checks import (
    DamageError,
    check_counts,
    check_history,
    check_results,
    measured,
    split_name,
)
from dvn_tf.errors import UserError
from dvn_tf.training.schema import SCHEMA_VERSION, schema_version

_DEEPEST = 50  # folders inside each other


def visible_files(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """The files below a folder, without those in hidden folders: half-written, or put aside.

    Links to folders are not followed, so that a circle of them has an end.

    Args:
        folder: the folder.
        pattern: what the names must match, such as "*.json".

    Raises:
        UserError: if a folder cannot be read, or folders lie too deep inside each other.
    """

    def refuse(error: OSError):
        raise UserError(
            f"cannot read the folder {error.filename}: {error.strerror or error}"
        ) from error

    found = []
    for path, folders, names in os.walk(folder, onerror=refuse):
        inside = pathlib.Path(path)
        if len(inside.relative_to(folder).parts) > _DEEPEST:
            raise UserError(
                f"{folder} has more than {_DEEPEST} folders inside each other: name the folder of "
                "the runs (--runs)"
            )
        folders[:] = [name for name in folders if not name.startswith(".")]
        # A folder of such a name is found, too: whoever reads it says what is wrong.
        wanted = fnmatch.filter([*folders, *names], pattern)
        found += [inside / name for name in wanted if not name.startswith(".")]
    return sorted(found)


def levels_of(outputs: dict, task: str) -> dict[int, dict]:
    """{level: output} of one task, the lowest first."""
    found = ((split_name(name), output) for name, output in outputs.items())
    return dict(sorted((name[1], output) for name, output in found if name[0] == task))


def first_levels(results: dict) -> list[int]:
    """The level that the lowest one of each stage's network is among the task's levels.

    A stage counts its own network's levels from 1. Where each stage leaves a network of its own,
    those that learn the same task give its levels, the lowest first.

    Args:
        results: what a results.json holds.
    """
    stages = results["stages"]
    if results["num_networks"] != len(stages):
        return [1] * len(stages)
    found, done = [], collections.Counter()
    for stage in stages:
        found.append(1 + max((done[task] for task in stage["learned"]), default=0))
        for task in stage["learned"]:
            done[task] += len(levels_of(stage["outputs"], task))
    return found


def read_results(file: pathlib.Path) -> dict:
    """What a results.json holds, in today's form.

    Files of version 1 (dvn_tf 0.1 and 0.2) get the counts that their accuracies were rounded from,
    and {} as "provenance".

    Raises:
        UserError: if the file is damaged or of another version.
    """
    results = _read_json(file)
    is_object = isinstance(results, dict)
    version = schema_version(results, file) if is_object else SCHEMA_VERSION
    try:
        check_results(results, version)
        if version == 1:
            _add_counts(results)
        check_counts(results)
    except DamageError as damage:
        raise UserError(
            f"{file} is incomplete or damaged ({damage}): delete it, and the run's command "
            "writes it again"
        ) from None
    return results


def read_history(file: pathlib.Path) -> list[dict]:
    """The logs of a stage's epochs, as a history.json holds them.

    Raises:
        UserError: if the file is damaged.
    """
    history = _read_json(file)
    try:
        check_history(history)
    except DamageError as damage:
        raise UserError(f"{file} is damaged ({damage}): move its run away") from None
    return history


def _read_json(file: pathlib.Path):
    content = read_bytes(file, JSON_LIMIT)
    try:
        return parse_json(content, "it")
    except UserError as error:
        raise UserError(
            f"{file} is damaged ({error}): delete it, and the run's command writes it again"
        ) from None


def _add_counts(results: dict) -> None:
    """Brings version 1 to today's form: float32 cannot hide a count below some millions."""
    for _, name, output in measured(results):
        total = results["tasks"][split_name(name)[0]]["test_images"]
        correct = round(output["accuracy"] * total)
        output |= {"correct": correct, "total": total, "accuracy": correct / max(1, total)}
    results["provenance"] = {}
