"""Prints the guide's table of other people's programs, from what their tests have noted.

DVN_PROGRAMS_TABLE=programs.jsonl pytest tests/programs
python -m tests.programs.table programs.jsonl
"""

import json
import pathlib
import sys

from dvn_tf.export.formats import FORMATS
from dvn_tf.markdown import table

_HEAD = ("program", "version", "format", "exports", "largest difference", "changed answers")


def programs_table(lines: list[str]) -> str:
    """The table.

    Args:
        lines: a JSON object each, as the fixture `record` writes them.

    Returns:
        Markdown, a row for each program and format, sorted by format.
    """
    groups = {}
    for row in map(json.loads, lines):
        groups.setdefault((row["format"], row["program"], row["version"]), []).append(row)
    order = list(FORMATS)
    rows = []
    for format, program, version in sorted(groups, key=lambda key: (order.index(key[0]), *key[1:])):
        found = groups[format, program, version]
        rows.append(
            (
                program,
                version,
                f"`{format}`",
                ", ".join(sorted({row["export"] for row in found}, key=str.lower)),
                f"{max(row['difference'] for row in found):.1e}",
                f"{sum(row['changed'] for row in found)} of {sum(row['images'] for row in found)}",
            )
        )
    return "\n".join(table(_HEAD, rows))


if __name__ == "__main__":
    print(programs_table(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
