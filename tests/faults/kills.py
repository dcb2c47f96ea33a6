"""SIGKILL: what was begun is finished by the same command, as if nothing had been."""

import filecmp
import functools
import pathlib
import shutil
import signal

from tests.faults import checks, processes, signals
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import JOINT, TRAININGS


@fault("kill", weight=4)
def kill_training(trial: Trial) -> None:
    """Kills a run up to three times; then the same command ends as an undisturbed one does."""
    training = trial.rng.choice(TRAININGS)
    undisturbed = trial.reference.run(training)
    run = trial.folder / "run"
    trial.step(training.module)
    for _ in range(trial.rng.choice((1, 1, 2, 3))):
        start = functools.partial(training.start, run, trial.folder)
        checks.killed(signals.strike(trial, start, undisturbed, signal.SIGKILL), signal.SIGKILL)
    checks.ended_well(training.run(run, trial.folder))
    checks.same_run(run, undisturbed.folder)


@fault("kill-export", weight=2)
def kill_export(trial: Trial) -> None:
    """Kills an export, into a new folder or over an old export; then it is made again."""
    undisturbed, folder = trial.reference.export(), trial.folder / "export"
    if trial.rng.random() < 0.5:
        trial.step("over an old export")
        shutil.copytree(undisturbed.folder, folder)
    start = functools.partial(
        processes.start,
        "experiments.export",
        f"--run_dir={trial.reference.run(JOINT).folder}",
        f"--export_dir={folder}",
        "--format=litert",
        folder=trial.folder,
    )
    had = checks.whole_export(folder)
    checks.killed(signals.strike(trial, start, undisturbed, signal.SIGKILL), signal.SIGKILL)
    if checks.whole_export(folder) < had:
        raise Failure("the manifest lists fewer files than before")
    checks.ended_well(start().wait())
    same_files(folder, undisturbed.folder)


@fault("kill-report")
def kill_report(trial: Trial) -> None:
    """Kills a comparison, into a new folder or over an old report; then it is made again."""
    undisturbed = trial.reference.report()
    report = trial.folder / "report"
    shutil.copytree(trial.reference.run(JOINT).folder, trial.folder / "runs/seed0")
    if trial.rng.random() < 0.5:
        trial.step("over an old report")
        shutil.copytree(undisturbed.folder, report)
    start = functools.partial(
        processes.start,
        "experiments.compare",
        "--runs=runs",
        "--report_dir=report",
        folder=trial.folder,
    )
    had = report.exists()
    checks.killed(signals.strike(trial, start, undisturbed, signal.SIGKILL), signal.SIGKILL)
    if had and not (report / "report.md").exists():
        raise Failure("the old report is lost")
    checks.ended_well(start().wait())
    same_files(report, undisturbed.folder)
    if left := [path.name for path in trial.folder.iterdir() if path.name.startswith(".")]:
        raise Failure(f"{left[0]} is left behind")


def same_files(folder: pathlib.Path, reference: pathlib.Path) -> None:
    """Fails unless two folders hold the same files with the same bytes."""
    ours, theirs = checks.files_of(folder), checks.files_of(reference)
    if ours != theirs:
        raise Failure(f"only one of two folders has {sorted(ours ^ theirs)[0]}")
    _, different, unread = filecmp.cmpfiles(folder, reference, sorted(ours), shallow=False)
    if different or unread:
        raise Failure(f"{(different + unread)[0]} is not that of an undisturbed program")
