"""What tests ask of runs and programs: one-line errors, results apart from their times."""

import subprocess


def one_line_error(done: subprocess.CompletedProcess) -> str:
    """The error that a program ended with, after checking its form."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.rstrip().endswith(lines[0])
    return lines[0]


_TIMES = ("seconds", "finished")


def without_seconds(value):
    """What a file of a run holds, apart from how long it took and when it ended."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key not in _TIMES}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value
