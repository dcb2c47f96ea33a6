"""Which test images every output of the runs classifies correctly, where runs have kept it."""

import os
import pathlib

import numpy as np
import pandas as pd

from dvn_tf.errors import UserError
from dvn_tf.tasks import output_name
from dvn_tf.training.correctness import read_correctness

_FILE = "correct.json"


def read_correct(outputs: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Reads the correct.json of every run that has one, and checks it against the run's counts.

    Args:
        outputs: from `runs.read_runs`.

    Returns:
        {run: {output: array of bool, in the order of the test images}}.

    Raises:
        UserError: if a file is damaged, or contradicts results.json.
    """
    found = {}
    for run, rows in outputs.groupby("run", sort=False):
        file = pathlib.Path(run) / _FILE
        if not os.path.lexists(file):
            continue
        found[run] = read_correctness(file)
        counts = {
            output_name(row.task, row.level): (row.correct, row.total) for row in rows.itertuples()
        }
        for name in {**counts, **found[run]}:
            own = found[run].get(name)
            counted = None if own is None else (int(own.sum()), len(own))
            if counted != counts.get(name):
                raise UserError(
                    f"{file} has {_described(counted)} for {name!a}, and results.json "
                    f"{_described(counts.get(name))}: delete {_FILE} to do without it"
                )
    return found


def _described(counted: tuple[int, int] | None) -> str:
    return f"{counted[0]:,} of {counted[1]:,} correct" if counted else "nothing"
