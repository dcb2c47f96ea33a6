"""Two processes in one run folder: one trains, and the other says so."""

import signal

from tests.faults import checks
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import TRAININGS


@fault("two-at-once", weight=2)
def start_twice(trial: Trial) -> None:
    """Starts the same command twice, sometimes after a third was killed."""
    training = trial.rng.choice(TRAININGS)
    undisturbed, run = trial.reference.run(training), trial.folder / "run"
    trial.step(training.module)
    if trial.rng.random() < 0.4:
        after = trial.rng.random() * undisturbed.seconds
        trial.step(f"one killed after {after:.2f} s")
        done = training.start(run, trial.folder).strike_after(after, signal.SIGKILL)
        checks.killed(done, signal.SIGKILL)
    delay = trial.rng.random() ** 2 * undisturbed.seconds / 2
    trial.step(f"two started, {delay:.2f} s apart")
    first = training.start(run, trial.folder)
    first.sleep(delay)
    second = training.start(run, trial.folder)
    ends = [program.wait() for program in (first, second)]
    trained = [done for done in ends if checks.clean_end(done)]
    if not trained:
        raise Failure(f"neither trained: {checks.refused(ends[0])}")
    if len(trained) == 2 and not any("is finished" in done.stdout for done in ends):
        raise Failure("both trained")
    for done in ends:
        if done.status == 1 and str(run) not in checks.refused(done):
            raise Failure(f"the error does not name the folder: {checks.refused(done)}")
    checks.ended_well(training.run(run, trial.folder))
    checks.same_run(run, undisturbed.folder)
