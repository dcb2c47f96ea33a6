"""Whether runs can be compared: which settings must agree."""

import os
import pathlib

import pandas as pd

from dvn_tf.errors import UserError

TASK_SETTINGS = ["classes", "train_images", "test_images"]
# What must agree between all runs, and between the runs of a method.
_SETTINGS = ["kind", "backbone", "batch_size", "tasks"]
_METHOD_SETTINGS = ["title", "epochs", "units", "levels", "num_networks"]
_METHOD_SETTINGS += ["run_parameters", "run_parameters_paper", "outputs"]


def check_comparable(folder: pathlib.Path, outputs: pd.DataFrame) -> None:
    """Checks that a difference between runs can only come from the method and the seed.

    Methods may differ in epochs and in units: one whose epochs cost less may have more of them at
    the same cost, and a table is part of a method. The report names both where they differ.

    Args:
        folder: of the runs.
        outputs: from `runs.read_runs`.

    Raises:
        UserError: if the runs are of several scenarios, of different settings, or twice of one
            method and seed.
    """
    scenarios = sorted(outputs["scenario"].unique())
    if len(scenarios) > 1:
        first = os.path.commonpath([*outputs.loc[outputs["scenario"] == scenarios[0], "run"]])
        raise UserError(
            f"{folder} holds runs of several scenarios ({', '.join(scenarios)}): name one of them, "
            f"such as --runs={first}"
        )
    runs = outputs.drop_duplicates("run").set_index("run", drop=False)
    for (method, seed), same in runs.groupby(["method", "seed"]):
        if len(same) > 1:
            paths = sorted(same["run"])
            raise UserError(
                f"method {method} with seed {seed} is there twice, in {paths[0]} and {paths[1]}: "
                "move one of them away"
            )
    names = outputs.assign(outputs=outputs["task"] + "/level" + outputs["level"].astype(str))
    listed = names.groupby("run")[["task", "outputs"]].agg(
        lambda column: ", ".join(column.unique())
    )
    runs = runs.assign(tasks=listed["task"], outputs=listed["outputs"])
    _check_same(runs, _SETTINGS)
    for _, same in runs.groupby("method", sort=False):
        _check_same(same, _METHOD_SETTINGS)
    for task, same in outputs.groupby("task", sort=False):
        _check_same(same, TASK_SETTINGS, f" of {task}")


def _check_same(rows: pd.DataFrame, columns: list[str], of: str = "") -> None:
    first = rows.iloc[0]
    for column in columns:
        others = rows[rows[column] != first[column]]
        if len(others):
            other = others.iloc[0]
            raise UserError(
                f"{first['run']} and {other['run']} differ in {column.removeprefix('run_')}{of} "
                f"({first[column]}; {other[column]}): only runs of the same settings can be "
                "compared, so move the others to a folder of their own"
            )
