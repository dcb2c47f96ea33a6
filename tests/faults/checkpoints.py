"""Damaged checkpoints: none is trained on."""

import pathlib
import re
import shutil

from tests.faults import checks, damage
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import EPOCHS, SEQUENTIAL, TRAININGS

_EPOCH = re.compile(r"epoch-(\d+)")
_DAMAGE = (*damage.CHANCE, *damage.CHANCE, damage.random_bytes)
_EXCHANGE = (damage.huge, *damage.INSTEAD)


@fault("checkpoint", weight=4)
def damage_one(trial: Trial) -> None:
    """Damages a checkpoint. The run goes on from a good one, to the weights that it should."""
    training = trial.rng.choice(TRAININGS)
    run = _unfinished(trial, training)
    epoch = trial.rng.choice((EPOCHS, EPOCHS, EPOCHS, EPOCHS - 1))
    file = _checkpoint(run / training.last_stage, epoch)
    how = trial.rng.choice((*_DAMAGE, *_EXCHANGE))
    trial.step(f"{training.module}, {file.name}: {how(file, trial.rng)}")
    if how in _EXCHANGE:  # no disk does that: the user may be asked
        _stops_or_ends_alike(trial, training, run)
    else:
        checks.ended_well(training.run(run, trial.folder))
        _ended_alike(trial, training, run)


@fault("all-checkpoints")
def damage_all(trial: Trial) -> None:
    """Damages every checkpoint: the run says so and stops, or begins anew."""
    training = trial.rng.choice(TRAININGS)
    run = _unfinished(trial, training)
    stage = run / training.last_stage
    for epoch in (EPOCHS - 1, EPOCHS):
        file = _checkpoint(stage, epoch)
        trial.step(f"{file.name}: {trial.rng.choice((*_DAMAGE, *_EXCHANGE))(file, trial.rng)}")
    _stops_or_ends_alike(trial, training, run)


@fault("moved-checkpoint", weight=2)
def move(trial: Trial) -> None:
    """Gives a checkpoint the place of another epoch or of another stage."""
    training = trial.rng.choice(TRAININGS)
    run = _unfinished(trial, training)
    stage = run / training.last_stage
    old, new = (_checkpoint(stage, epoch) for epoch in (EPOCHS - 1, EPOCHS))
    moves = {
        "the older also has the newer's name": (old, new, True),
        "the newer also has the older's name": (new, old, True),
        "the older has the newer's name": (old, new, False),
        "the newer has the older's name": (new, old, False),
        "the newer has the name of an epoch to come": (
            new,
            new.with_name(new.name.replace(f"{EPOCHS:04}", f"{EPOCHS + 1:04}")),
            False,
        ),
    }
    if training is SEQUENTIAL:
        first = run / "digits_0-4"
        moves["of another stage"] = (_checkpoint(first, EPOCHS), new, True)
    what = trial.rng.choice(sorted(moves))
    trial.step(f"{training.module}, {what}")
    source, target, copied = moves[what]
    (shutil.copy if copied else shutil.move)(source, target)
    _stops_or_ends_alike(trial, training, run)


def _stops_or_ends_alike(trial: Trial, training, run: pathlib.Path) -> None:
    if checks.clean_end(training.run(run, trial.folder)):
        _ended_alike(trial, training, run)


def _ended_alike(trial: Trial, training, run: pathlib.Path) -> None:
    older = _checkpoint(run / training.last_stage, EPOCHS - 1)
    checks.same_run(run, trial.reference.run(training).folder, _is_checkpoint, unread=older)


def _unfinished(trial: Trial, training) -> pathlib.Path:
    run = trial.folder / "run"
    shutil.copytree(trial.reference.unfinished(training), run)
    return run


def _checkpoint(stage: pathlib.Path, epoch: int) -> pathlib.Path:
    """The largest file of an epoch's checkpoint."""
    found = [
        file
        for file in (stage / "checkpoints").iterdir()
        if (match := _EPOCH.match(file.name)) and int(match[1]) == epoch
    ]
    if not found:
        raise Failure(f"there is no checkpoint of epoch {epoch} to damage")
    return max(found, key=lambda file: file.lstat().st_size)  # it may be a link to nowhere


def _is_checkpoint(file: str) -> bool:
    """Whether a file lies among the checkpoints, where damaged ones are set aside."""
    return pathlib.PurePosixPath(file).parent.name == "checkpoints"
