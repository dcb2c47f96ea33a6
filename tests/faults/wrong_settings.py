"""Settings of the wrong kind for every field: one line, and nothing is written."""

from tests.faults import checks, processes
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import TRAININGS


@fault("setting", weight=6)
def wrong_setting(trial: Trial) -> None:
    """Gives a setting a value that it must not have, by flag or in a file."""
    done = processes.run("tests.faults.drawn_setting", trial.rng.random(), folder=trial.folder)
    checks.ended_well(done)
    binding = done.stdout.rstrip("\n")
    training = trial.rng.choice(TRAININGS)
    trial.step(f"{training.module}, {binding:.300}")
    run = trial.folder / "run"
    arguments = training.arguments(run)
    if len(binding) < 100_000 and trial.rng.random() < 0.5:
        arguments.append(f"--gin_param={binding}")
    else:
        (trial.folder / "wrong.gin").write_text(binding + "\n")
        arguments.append("--gin_file=wrong.gin")
    before = set(trial.folder.iterdir())
    done = processes.run(training.module, *arguments, folder=trial.folder)
    checks.refused(done)
    written = {path.name for path in set(trial.folder.iterdir()) - before}
    written = sorted(name for name in written if not name.startswith(("stdout-", "stderr-")))
    if written:
        raise Failure(f"{written[0]} was written before the setting was refused")
