"""Runs a program that is killed once at every file that it puts in its place."""

import functools
import json
import os
import pathlib
import signal

import forked_program


def run(when: str, kills: str, module: str, arguments: list[str], *rest) -> None:
    """As `forked_program.run`, but the process kills itself at the next new file.

    Args:
        when: "before" or "after" a file is renamed to its final name.
        kills: a file that remembers at which files the process was killed already.
        module: see `forked_program.run`, as all that follows.
        arguments: its arguments.
        rest: folder and output files.
    """
    replace = os.replace

    @functools.wraps(replace)
    def replace_and_die(old, new):
        if when == "after":
            replace(old, new)
        name = f"{new}"
        if name.endswith("history.json"):  # which is another file after every epoch
            content = pathlib.Path(new if when == "after" else old).read_text()
            name += f" of {len(json.loads(content))} epochs"
        known = pathlib.Path(kills)
        if name not in known.read_text().splitlines():
            with known.open("a") as file:
                file.write(f"{name}\n")
            os.kill(os.getpid(), signal.SIGKILL)
        if when == "before":
            replace(old, new)

    os.replace = replace_and_die
    forked_program.run(module, arguments, *rest)
