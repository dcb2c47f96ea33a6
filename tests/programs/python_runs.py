"""Runs exported files in a Python of their own."""

import json
import os
import pathlib
import subprocess

import numpy as np

from tests.programs.exports import ProgramExport

# The script defines `version()` and `open_network(path, name)`, which gives a function from images
# to outputs; `name` is what the network gives.
_PROGRAM = """
import json, sys
import numpy as np

sys.modules.update(dict.fromkeys({absent}))  # importing None fails
{script}
answers = []
for path, images, name in json.loads(sys.argv[1]):
    answers.append(np.asarray(open_network(path, name)(np.load(images))).tolist())
print(json.dumps([version(), answers]))
"""


def run_in_python(
    python: pathlib.Path,
    script: str,
    export: ProgramExport,
    entries: list[dict],
    folder: pathlib.Path,
    absent: tuple[str, ...] = ("dvn_tf", "dvn_runtime"),
    **environment: str,
) -> tuple[str, list]:
    """Runs a script on files of an export.

    Args:
        python: the interpreter.
        script: defines `version` and `open_network`.
        export: the export.
        entries: the files.
        folder: a folder for the images; the script's working directory.
        absent: packages that the script must not find.
        **environment: variables of the script's environment.

    Returns:
        The version, and for each file its outputs.
    """
    jobs = []
    for entry in entries:
        images = folder / f"{entry['task']}_{entry['input']['dtype']}.npy"
        np.save(images, export.images[entry["task"]].astype(entry["input"]["dtype"]))
        jobs.append([str(export.folder / entry["file"]), str(images), entry["output"]])
    program = _PROGRAM.format(script=script, absent=absent)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", program, json.dumps(jobs)],
        cwd=folder, env=variables | environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    version, answers = json.loads(done.stdout.splitlines()[-1])
    return version, answers
