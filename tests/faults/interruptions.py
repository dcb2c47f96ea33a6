"""Ctrl-C and SIGTERM at random moments: one line, and the same command goes on."""

import functools
import shutil
import signal

from PIL import Image

from tests.faults import checks, processes, signals
from tests.faults.fault import Failure, Trial, fault
from tests.faults.kills import same_files
from tests.faults.reference import JOINT, TASKS, TRAININGS, Undisturbed

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_EARLIEST = 0.3  # seconds in which a fork has begun the program


@fault("interrupt", weight=2)
def interrupt_training(trial: Trial) -> None:
    """Interrupts a run; then the same command ends as an undisturbed one does."""
    training = trial.rng.choice(TRAININGS)
    undisturbed = trial.reference.run(training)
    run = trial.folder / "run"
    trial.step(training.module)
    _interrupt(trial, functools.partial(training.start, run, trial.folder), undisturbed)
    checks.ended_well(training.run(run, trial.folder))
    checks.same_run(run, undisturbed.folder)


@fault("interrupt-export")
def interrupt_export(trial: Trial) -> None:
    """Interrupts an export or a comparison; then it is made again."""
    if trial.rng.random() < 0.6:
        undisturbed, folder = trial.reference.export(), trial.folder / "export"
        command = (
            "experiments.export",
            f"--run_dir={trial.reference.run(JOINT).folder}",
            f"--export_dir={folder}",
            "--format=litert",
        )
    else:
        undisturbed, folder = trial.reference.report(), trial.folder / "report"
        shutil.copytree(trial.reference.run(JOINT).folder, trial.folder / "runs/seed0")
        command = ("experiments.compare", "--runs=runs", "--report_dir=report")
    trial.step(command[0])
    start = functools.partial(processes.start, *command, folder=trial.folder)
    _interrupt(trial, start, undisturbed)
    checks.whole_export(folder)
    checks.ended_well(start().wait())
    same_files(folder, undisturbed.folder)


@fault("interrupt-start")
def interrupt_start(trial: Trial) -> None:
    """Interrupts a program while it starts, in a process of its own, as on a terminal."""
    module, arguments, seconds = trial.rng.choice(_starts(trial))
    after = _EARLIEST + trial.rng.random() * seconds
    number = trial.rng.choice(_SIGNALS)
    name = signal.Signals(number).name
    trial.step(f"{module}, {name} {after:.2f} s after its first sign of life")
    program = processes.start_fresh(module, *arguments, folder=trial.folder)
    program.wait_for_child()
    done = program.strike_after(after - _EARLIEST, number)
    if done.status == 0:
        checks.ended_well(done)
        return
    checks.interrupted(done, number)
    hidden = [path.name for path in trial.folder.glob("new/**/.*")]
    if written := [name for name in hidden if name != ".lock"]:  # a run's lock stays, empty
        raise Failure(f"{written[0]} is left behind")


def _starts(trial: Trial) -> list[tuple[str, list, float]]:
    """Programs with arguments, and how long their starts take, in seconds."""
    run, export = trial.reference.run(JOINT).folder, trial.reference.export().folder
    new, image = trial.folder / "new", trial.folder / "image.png"
    Image.new("L", (8, 8)).save(image)
    predict = [f"--export_dir={export}", f"--task={TASKS[0]}", *[image] * 2000]
    return [
        *((one.module, one.arguments(new), 8) for one in TRAININGS),
        ("experiments.export", [f"--run_dir={run}", f"--export_dir={new}"], 8),
        ("experiments.latency", [f"--run_dir={run}", f"--out_dir={new}", "--format=litert"], 8),
        ("experiments.compare", [f"--runs={run}", f"--report_dir={new}"], 8),
        ("experiments.predict", predict, 1),
    ]


def _interrupt(trial: Trial, start, undisturbed: Undisturbed) -> None:
    number = trial.rng.choice(_SIGNALS)
    done = signals.strike(trial, start, undisturbed, number, _EARLIEST)
    if done.status == 0:
        checks.ended_well(done)  # before the signal came, or when all was written
    else:
        checks.interrupted(done, number)
