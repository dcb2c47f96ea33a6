"""Tries faults for some time, and counts what survived."""

import concurrent.futures
import dataclasses
import itertools
import pathlib
import random
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping

from tests.faults.fault import Failure, Fault, NotPossible, Trial
from tests.faults.reference import Reference

MOST_FAILURES = 50  # then there is something to mend before further trials are worth their time
SURVIVED, FAILED, NOT_POSSIBLE = "survived", "failed", "not possible here"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        kind: the name of the fault.
        number: which trial of its kind it was, from 0.
        result: `SURVIVED`, `FAILED` or `NOT_POSSIBLE`.
        reason: why it failed or was not possible.
        steps: what was done.
    """

    kind: str
    number: int
    result: str
    reason: str = ""
    steps: tuple[str, ...] = ()


class Campaign:
    """Trials of some kinds of faults.

    Args:
        faults: the kinds, by name.
        seed: of everything that is drawn. Trial n of a kind is the same fault in every campaign
            with this seed, apart from the time at which a signal strikes.
        folder: an empty folder to work in.
        keep: whether the folders of failed trials are kept.
    """

    def __init__(
        self, faults: Mapping[str, Fault], seed: int, folder: pathlib.Path, keep: bool = False
    ):
        self._faults = faults
        self._seed = seed
        self._folder = folder
        self._keep = keep
        self._reference = Reference(folder / "reference")

    def run_for(self, seconds: float, jobs: int) -> Iterator[Outcome]:
        """Tries each kind once, and then goes on by their weights until the time is over.

        Args:
            seconds: after which no trial begins, nor after `MOST_FAILURES` failures.
            jobs: how many trials run at the same time.

        Yields:
            The outcomes, in the order in which they come.
        """
        end = time.monotonic() + seconds
        draws = self._draws()
        firsts = len(self._faults)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            running, failures = set(), 0
            for position in itertools.count():
                over = position >= firsts and time.monotonic() >= end
                if over or failures >= MOST_FAILURES:
                    break
                running.add(pool.submit(self.try_one, *next(draws)))
                while len(running) >= jobs:
                    done, running = concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                    outcomes = [future.result() for future in done]
                    failures += [outcome.result for outcome in outcomes].count(FAILED)
                    yield from outcomes
            yield from (future.result() for future in concurrent.futures.as_completed(running))

    def try_one(self, kind: str, number: int) -> Outcome:
        """Does one trial."""
        folder = self._folder / f"{kind}-{number}"
        folder.mkdir()
        trial = Trial(random.Random(f"{self._seed}/{kind}/{number}"), folder, self._reference)
        result, reason = SURVIVED, ""
        try:
            self._faults[kind].trial(trial)
        except NotPossible as why:
            result, reason = NOT_POSSIBLE, str(why)
        except Failure as failure:
            result, reason = FAILED, str(failure)
        except Exception:  # the trial itself is wrong, or met what it did not expect
            result, reason = FAILED, f"unexpected: {traceback.format_exc()}"
        if result != FAILED or not self._keep:
            shutil.rmtree(folder, ignore_errors=True)
        return Outcome(kind, number, result, reason, tuple(trial.steps))

    def _draws(self) -> Iterator[tuple[str, int]]:
        """Kinds and numbers without end; each kind comes once at first."""
        numbers = {kind: itertools.count() for kind in self._faults}
        weights = [fault.weight for fault in self._faults.values()]
        rng = random.Random(self._seed)
        for kind in self._faults:
            yield kind, next(numbers[kind])
        while True:
            [kind] = rng.choices(list(self._faults), weights)
            yield kind, next(numbers[kind])


def table(outcomes: list[Outcome]) -> str:
    """The table of what was tried and what survived."""
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    counts = {kind: [o.result for o in outcomes if o.kind == kind] for kind in kinds}
    impossible = NOT_POSSIBLE in [outcome.result for outcome in outcomes]
    counts["all"] = [outcome.result for outcome in outcomes]
    lines = ["| fault | tried | survived |", "| --- | ---: | ---: |"]
    if impossible:
        lines = [f"{lines[0]} {NOT_POSSIBLE} |", f"{lines[1]} ---: |"]
    for kind, results in counts.items():
        skipped = results.count(NOT_POSSIBLE)
        line = f"| {kind} | {len(results) - skipped} | {results.count(SURVIVED)} |"
        lines.append(f"{line} {skipped} |" if impossible else line)
    return "\n".join(lines)


def show(outcome: Outcome, seed: int) -> None:
    """Prints a failed trial, and how to repeat it."""
    print(
        f"FAILED {outcome.kind}:{outcome.number}: {outcome.reason}\n"
        f"    steps: {'; '.join(outcome.steps) or 'none'}\n"
        f"    repeat: python -m tests.faults --seed={seed} --only={outcome.kind}:{outcome.number}",
        file=sys.stderr,
        flush=True,
    )
