"""The form of results.json: which keys it has, and of which types.

A type stands for a value of that type, a dictionary for an object ("*" is any key), a list for a
list of what it holds.
"""

# Version 1 had accuracies in single precision instead of counts, and no provenance. Version 0.1 of
# the package wrote it without a "schema_version".
SCHEMA_VERSION = 2

_NUMBER = (int, float)
RUN = (
    dict.fromkeys(("scenario", "kind", "method", "title", "backbone"), str)
    | dict.fromkeys(("seed", "epochs", "batch_size", "units", "levels", "num_networks"), int)
    | {"parameters": int, "parameters_paper": int, "seconds": _NUMBER}
)
TASK = {"classes": int, "train_images": int, "test_images": int}
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
