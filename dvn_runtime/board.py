"""What LiteRT's own code takes on a board, which depends on processor, system and Python.

`python -m dvn_runtime.benchmark EXPORT --json=board.json` measures it, and
`BudgetedPredictor(board="board.json")` counts with it.
"""

import os
import statistics
from collections.abc import Mapping, Sequence

from dvn_runtime.errors import UserError, shown
from dvn_runtime.files import read_json
from dvn_runtime.resident import FIXED, Fixed

_KEYS = {True: "packed", False: "unpacked"}  # as in the file
_MOST = 10**9  # bytes


def board_facts(rows: Sequence[Mapping]) -> dict[str, dict[str, int]]:
    """What LiteRT's code takes, from measurements of networks.

    Args:
        rows: for each measurement its "format", whether it was "packed", the bytes "resident",
            and the bytes of these that are the network's "own"; None for what is not known.

    Returns:
        {format: {"packed" or "unpacked": bytes}}: what was measured above the networks' own
        memory, the median.
    """
    found = {}
    for row in rows:
        if row["resident"] is not None and row["own"] is not None:
            ways = found.setdefault(row["format"], {})
            ways.setdefault(_KEYS[row["packed"]], []).append(row["resident"] - row["own"])
    return {
        format: {key: max(0, round(statistics.median(values))) for key, values in ways.items()}
        for format, ways in found.items()
    }


def read_board(path: str | os.PathLike, format: str) -> Fixed:
    """Reads what the benchmark has written.

    Args:
        path: its JSON file.
        format: the format that the board is to run.

    Returns:
        What LiteRT's code takes there, for `fixed_memory`.

    Raises:
        UserError: if the file cannot be read, or does not tell it for the format.
    """
    content = read_json(path)
    board = content.get("board") if isinstance(content, dict) else None
    found = board.get(format) if isinstance(board, dict) else None
    values = {
        packed: found.get(key) if isinstance(found, dict) else None for packed, key in _KEYS.items()
    }
    for value in values.values():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise UserError(
                f"{shown(path)} does not tell what {format} takes packed and unpacked: write it "
                "with python -m dvn_runtime.benchmark EXPORT --json=FILE, of one image a run"
            )
    usual = FIXED[format]
    # The benchmark runs no network both ways in one process: most of the code is the same.
    both = max(values.values()) + usual[False, True] - max(usual[True,], usual[False,])
    return {format: {(True,): values[True], (False,): values[False], (False, True): both}}
