"""The files of finished runs: found, read and checked."""

import json
import pathlib
from collections.abc import Iterator

from dvn_tf.errors import UserError
from dvn_tf.training.schema import SCHEMA_VERSION, results_schema


def visible_files(folder: pathlib.Path, name: str) -> list[pathlib.Path]:
    """The files of a name, without those in hidden folders: half-written, or put aside."""
    files = sorted(folder.rglob(name))
    return [f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts)]


def levels_of(outputs: dict, task: str) -> dict[int, dict]:
    """{level: output} of one task, the lowest first."""
    found = ((name.rpartition("/level"), output) for name, output in outputs.items())
    return dict(sorted((int(level), output) for (of, _, level), output in found if of == task))


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


def read_results(file: pathlib.Path) -> dict:
    """What a results.json holds, in today's form.

    Files of version 1 (dvn_tf 0.1 and 0.2) get the counts that their accuracies were rounded from,
    and {} as "provenance".

    Raises:
        UserError: if the file is damaged or of another version.
    """
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
    """Brings version 1 to today's form: float32 cannot hide a count below some millions."""
    for _, name, output in _measured(results):
        total = results["tasks"][name.rpartition("/level")[0]]["test_images"]
        correct = round(output["accuracy"] * total)
        output |= {"correct": correct, "total": total, "accuracy": correct / max(1, total)}
    results["provenance"] = {}


class _DamageError(Exception):
    """What is wrong with a file."""


def _check(value, schema, place: str) -> None:
    """Checks that a value has the form that a part of `results_schema` describes."""
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
        if not levels_of(results["outputs"], task):
            raise _DamageError(f"'outputs' has none of task {task!r}")


def _check_counts(results: dict) -> None:
    """Checks that accuracies are the quotients of their counts, of all test images of the task."""
    for place, name, output in _measured(results):
        correct, total = output["correct"], output["total"]
        if not 0 <= correct <= total or total < 1 or output["accuracy"] != correct / total:
            raise _DamageError(
                f"'{place}' has {correct} of {total} correct and accuracy {output['accuracy']}"
            )
        images = results["tasks"][name.rpartition("/level")[0]]["test_images"]
        if total != images:
            raise _DamageError(f"'{place}.total' is {total}, and the task has {images} test images")


def _measured(results: dict) -> Iterator[tuple[str, str, dict]]:
    """Place, name and contents of every measured output, at the end and after each stage."""
    places = {"outputs": results["outputs"]}
    for number, stage in enumerate(results["stages"], start=1):
        places[f"stages.{number}.outputs"] = stage["outputs"]
    for place, outputs in places.items():
        for name, output in outputs.items():
            yield f"{place}.{name}", name, output
