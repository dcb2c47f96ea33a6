"""The form of results.json: which keys it has, and of which types.

A type stands for a value of that type, a dictionary for an object ("*" is any key), a list for a
list of what it holds.
"""

import os

from dvn_tf.errors import UserError, shown

# Version 1 had accuracies in single precision instead of counts, and no provenance. Version 0.1 of
# the package wrote it without a "schema_version".
SCHEMA_VERSION = 2
# Of "training_multiply_adds": what an image takes of each output that learns from it is a pass
# forward and two backward, by the inputs and by the weights of each layer.
PASSES = 3

_NUMBER = (int, float)
RUN = (
    dict.fromkeys(("scenario", "kind", "method", "title", "backbone"), str)
    | dict.fromkeys(("seed", "epochs", "batch_size", "units", "levels", "num_networks"), int)
    | {"parameters": int, "parameters_paper": int, "seconds": _NUMBER}
)
TASK = {"classes": int, "train_images": int, "test_images": int}
STAGE = {"name": str, "epochs": int, "learned": list, "seconds": _NUMBER}
COUNTS = {"correct": int, "total": int}  # test images
MEASURED = {"accuracy": _NUMBER, "loss": _NUMBER}
COST = {"parameters": int, "parameters_paper": int, "density": _NUMBER, "bytes": int}
PROVENANCE = dict.fromkeys(("dvn_tf", "keras", "backend", "backend_version", "python"), str) | {
    "finished": str,
    "commit": (str, type(None)),
    "device": str,
    "cores": int,
}


def results_schema(version: int) -> dict:
    """The form of results.json in a schema version.

    Args:
        version: 1 or 2.
    """
    measured = MEASURED if version == 1 else COUNTS | MEASURED
    stage = {"name": str, "epochs": int, "learned": list, "outputs": {"*": measured}}
    return (
        RUN
        | {"tasks": {"*": TASK}, "stages": [stage]}
        | {"outputs": {"*": measured | COST}}  # "<task>/level<l>"
        | ({} if version == 1 else {"provenance": PROVENANCE})
    )


def schema_version(results: dict, file: str | os.PathLike) -> int:
    """The version of a results.json.

    Args:
        results: what the file holds.
        file: its path, for the message.

    Raises:
        UserError: if this dvn_tf does not know the version.
    """
    version = results.get("schema_version", 1)
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise UserError(
            f"{file} has schema version {shown(version)}, and this dvn_tf reads versions 1 to "
            f"{SCHEMA_VERSION}: install the dvn_tf that wrote it, or move its run away"
        )
    return version


def mismatch(value, schema, place: str = "") -> str:
    """Where a value differs from a form that this module describes, "" if it does not.

    Args:
        value: what a JSON file holds.
        schema: the form, or a part of it.
        place: the keys that led to the value, joined by dots; "" for the whole file.
    """
    kind = type(schema) if isinstance(schema, dict | list) else schema
    # A bool is an int to Python, and is never what is meant here.
    if not isinstance(value, kind) or isinstance(value, bool):
        return f"{repr(place) if place else 'it'} is {shown(value)}"
    if isinstance(schema, list):
        value, schema = dict(enumerate(value, start=1)), {"*": schema[0]}
    if isinstance(schema, dict):
        for key in value if "*" in schema else schema:
            inner = f"{place}.{key}" if place else key
            if key not in value:
                return f"no {inner!r}"
            expected = schema["*"] if "*" in schema else schema[key]
            if found := mismatch(value[key], expected, inner):
                return found
    return ""
