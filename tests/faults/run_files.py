"""Damaged files of a run folder: each program refuses them in one line, or is not misled."""

import shutil

from tests.faults import checks, damage, processes
from tests.faults.fault import Failure, Trial, fault
from tests.faults.kills import same_files
from tests.faults.reference import JOINT, TASKS

_JSON = ("history.json", "results.json", "stage.json")
_FILES = (*_JSON, *_JSON, "config.gin", "model.keras", "table.png")


@fault("run-file", weight=5)
def damage_run_file(trial: Trial) -> None:
    """Damages a file of a finished run, and resumes, exports or compares it."""
    run = trial.folder / "runs/seed0"
    reference = trial.reference.run(JOINT).folder
    shutil.copytree(reference, run)
    name = trial.rng.choice(_FILES)
    how = trial.rng.choice(damage.ANY)
    if name in _JSON and trial.rng.random() < 0.6:
        how = damage.change_json
    trial.step(f"{name}: {how(run / name, trial.rng)}")
    program = trial.rng.choice((_resume, _export, _compare))
    trial.step(program.__doc__)
    program(trial, run, name)


def _resume(trial: Trial, run, damaged: str) -> None:
    """the training's command"""
    if damaged not in ("results.json", "config.gin") and trial.rng.random() < 0.7:
        trial.step("without results.json")
        (run / "results.json").unlink()
    ended = checks.clean_end(JOINT.run(run, trial.folder))
    if ended and damaged != "model.keras":
        checks.same_weights(run / "model.keras", trial.reference.run(JOINT).folder / "model.keras")


def _export(trial: Trial, run, damaged: str) -> None:
    """an export"""
    folder = trial.folder / "export"
    done = processes.run(
        "experiments.export",
        f"--run_dir={run}",
        f"--export_dir={folder}",
        "--format=litert",
        f"--task={TASKS[0]}",
        "--level=1",
        folder=trial.folder,
    )
    if checks.clean_end(done) and damaged == "model.keras":
        file = f"litert/{TASKS[0]}_level1.tflite"
        same_files(folder / "litert", _only(trial, file))


def _only(trial: Trial, file: str):
    """A folder with one file of the undisturbed export."""
    folder = trial.folder / "only"
    folder.mkdir()
    shutil.copy(trial.reference.export().folder / file, folder)
    return folder


def _compare(trial: Trial, run, damaged: str) -> None:
    """a comparison"""
    done = processes.run(
        "experiments.compare", "--runs=runs", "--report_dir=report", folder=trial.folder
    )
    if not checks.clean_end(done):
        report = trial.folder / "report"
        if report.exists() and any(report.iterdir()):
            raise Failure("a refused comparison wrote a report")
