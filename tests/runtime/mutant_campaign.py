"""Gives structural mutants of an exported network to a predictor, each in a process of its own.

    python tests/runtime/mutant_campaign.py EXPORT FILE COUNT SEED

The manifest and the description vouch for each mutant: all hashes are right. Prints as JSON how
many mutants were "answered", with an output of the right shape, and how many were "refused"; the
others are listed with what happened.
"""

import collections
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile
import warnings
import zipfile

import numpy as np
from mutants import mutants
from small_exports import sha256, write_described

from dvn_runtime import BudgetedPredictor
from dvn_runtime.errors import UserError, one_line
from dvn_runtime.network import import_litert

_SECONDS = 30
_MEMORY = 8 * 2**30


def campaign(export: pathlib.Path, file: str, count: int, seed: int) -> dict:
    """Tries mutants of a file of an export folder."""
    import_litert()  # once, not in every process
    manifest = json.loads((export / "manifest.json").read_text())
    [entry] = [entry for entry in manifest["files"] if entry["file"] == file]
    with zipfile.ZipFile(export / file) as archive:
        description = json.loads(archive.read("description.json"))
        end = min(member.header_offset for member in archive.infolist())
    network = (export / file).read_bytes()[:end]
    outcomes, failures = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / file).parent.mkdir()
        for number, mutant in enumerate([network, *mutants(network, count, seed)]):
            description["network_sha256"] = sha256(mutant)
            facts = write_described(folder / file, mutant, description)
            listed = {**manifest, "files": [entry | facts]}
            (folder / "manifest.json").write_text(json.dumps(listed))
            outcome = in_a_process(lambda: outcome_of(folder, entry, manifest["tasks"]))
            outcomes[outcome.partition(":")[0]] += 1
            if not outcome.startswith(("answered", "refused")):
                failures.append(f"{number}: {outcome}")
            assert number or outcome == "answered", outcome  # the network as it was
    return {**outcomes, "failures": failures}


def in_a_process(work) -> str:
    """What a function returns in a forked process, or how the process ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(_SECONDS)
        try:
            text = work()
        except BaseException as error:
            text = f"raised: {type(error).__name__}: {error}"
        os.write(writing, one_line(text, 500).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"crashed: {signal.Signals(os.WTERMSIG(status)).name}"
    return text


def outcome_of(folder: pathlib.Path, entry: dict, tasks: dict) -> str:
    """What a predictor makes of an export with a single file."""
    name, task = entry["task"], tasks[entry["task"]]
    warnings.simplefilter("ignore")
    try:
        predictor = BudgetedPredictor(folder, format=entry["format"], tasks=[name])
        predictor.set_budget(resident=10**15)  # told from the structure, however odd that is
        answers = predictor.predict(name, np.zeros((2, *task["image_shape"]), np.uint8))
    except UserError as error:
        return f"refused: {error}"
    return "answered" if answers.shape == (2, task["num_classes"]) else f"shape {answers.shape}"


if __name__ == "__main__":
    export, file, count, seed = sys.argv[1:]
    print(json.dumps(campaign(pathlib.Path(export), file, int(count), int(seed))))
