"""Signals at random moments: by the clock, or just before a program touches a file."""

import signal

from tests.faults.child import Strike
from tests.faults.fault import Trial
from tests.faults.processes import Done, Program
from tests.faults.reference import Undisturbed


def strike(trial: Trial, start, undisturbed: Undisturbed, number: int, earliest: float = 0) -> Done:
    """Runs a program and sends it a signal at a random moment.

    Args:
        trial: draws the moment.
        start: starts the program in the trial's folder; takes `strike`.
        undisturbed: the same program without the signal.
        number: of the signal.
        earliest: seconds before which the clock does not strike.
    """
    name = signal.Signals(number).name
    if trial.rng.random() < 0.6:
        operation = 1 + int(trial.rng.random() * undisturbed.operations)
        trial.step(f"{name} before file operation {operation}")
        program: Program = start(strike=Strike(str(trial.folder), operation, signal=number))
        return program.wait()
    seconds = earliest + trial.rng.random() * undisturbed.seconds
    trial.step(f"{name} after {seconds:.2f} s")
    return start().strike_after(seconds, number)
