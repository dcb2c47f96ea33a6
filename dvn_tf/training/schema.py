"""The form of results.json: which keys it has, and of which types.

A type stands for a value of that type, a dictionary for an object ("*" is any key), a list for a
list of what it holds.
"""

SCHEMA_VERSION = 1  # version 0.1 of the package wrote the same keys, but no "schema_version"

_NUMBER = (int, float)
RUN = (
    dict.fromkeys(("scenario", "kind", "method", "title", "backbone"), str)
    | dict.fromkeys(("seed", "epochs", "batch_size", "units", "levels", "num_networks"), int)
    | {"parameters": int, "parameters_paper": int, "seconds": _NUMBER}
)
TASK = {"classes": int, "train_images": int, "test_images": int}
MEASURED = {"accuracy": _NUMBER, "loss": _NUMBER}
COST = {"parameters": int, "parameters_paper": int, "density": _NUMBER, "bytes": int}
_STAGE = {"name": str, "epochs": int, "learned": list, "outputs": {"*": MEASURED}}
RESULTS = RUN | {
    "tasks": {"*": TASK},
    "outputs": {"*": MEASURED | COST},  # "<task>/level<l>"
    "stages": [_STAGE],
}
