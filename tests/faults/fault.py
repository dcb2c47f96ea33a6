"""What a kind of fault is, and how a trial of it ends."""

import dataclasses
import pathlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.reference import Reference


class Failure(Exception):
    """A program did not survive a fault; the message says how."""


class NotPossible(Exception):
    """This machine cannot make a fault; the message says why."""


@dataclasses.dataclass
class Trial:
    """One trial of a kind of fault.

    Attributes:
        rng: draws the fault. It is seeded by the campaign's seed, the kind and the number.
        folder: an empty folder for the trial.
        reference: runs and exports that nothing disturbed.
        steps: what was done so far, for the message of a failure.
    """

    rng: random.Random
    folder: pathlib.Path
    reference: "Reference"
    steps: list[str] = dataclasses.field(default_factory=list)

    def step(self, text: str) -> None:
        """Notes what is done next."""
        self.steps.append(text)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: such as "kill".
        trial: does one trial, and raises `Failure` or `NotPossible`.
        weight: how often it is tried, compared with others, once each was tried.
    """

    name: str
    trial: Callable[[Trial], None]
    weight: float


FAULTS: dict[str, Fault] = {}


def fault(name: str, weight: float = 1):
    """Registers a function as a kind of fault."""

    def register(trial: Callable[[Trial], None]):
        FAULTS[name] = Fault(name, trial, weight)
        return trial

    return register
