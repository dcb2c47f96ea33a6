"""A plan: which runs are to be done, in which order, and at which learning rates.

A plan is a TOML file:

    [studies.J1]                      # a scenario with its size
    program = "joint"                 # or "sequential"
    gin_files = ["gin/j1_cifar.gin", "gin/sizes/two_cores.gin"]
    gin_params = ["Recipe.evaluate_every = 10"]
    search_params = ["Task.train_split = 'train[:80%]'", "Task.test_split = 'train[80%:]'"]
    search_seed = 100
    rates = [0.025, 0.05, 0.1]

    [studies.J1.arms.dvn]             # a method with its settings
    gin_files = ["gin/methods/dvn.gin"]

    [[steps]]                         # done one after the other, seed by seed
    study = "J1"
    arms = ["separate", "dvn"]
    seeds = [0, 1, 2]

Before an arm's first run, its learning rate is searched with `search_seed` on images held out from
training: of `rates`, the one with the best mean accuracy over all outputs. As long as that is the
lowest or the highest, one more rate beyond it is tried, half or twice as high. An arm with
`choices`, each a gin parameter, is searched with the first of them, and then with the others at the
best rate. An arm with a `rate_of` takes the rate of another arm instead of searching one, and an
arm with a `rate` has that one.
"""

import dataclasses
import os
import pathlib
import statistics
import sys
from collections.abc import Iterator, Sequence

from dvn_runtime.errors import UserError
from dvn_runtime.files import read_json


@dataclasses.dataclass(frozen=True)
class Arm:
    """A method with its settings. Files and parameters go on top of the study's."""

    gin_files: Sequence[str] = ()
    gin_params: Sequence[str] = ()
    choices: Sequence[str] = ()
    rate_of: str | None = None
    rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Study:
    """A scenario at one size, and its arms; see the module."""

    program: str
    gin_files: Sequence[str]
    arms: dict[str, Arm]
    rates: Sequence[float] = ()
    search_seed: int | None = None
    gin_params: Sequence[str] = ()
    search_params: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """Runs that are done before the next step's: every arm with every seed."""

    study: str
    arms: Sequence[str]
    seeds: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a plan.

    Args:
        folder: where it lies.
        study: the study's name.
        arm: the arm's name.
        rate: the learning rate.
        choice: which of the arm's choices, from 0.
        seed: the seed.
        search: whether it is part of a search.
    """

    folder: pathlib.Path
    study: str
    arm: str
    rate: float
    choice: int
    seed: int
    search: bool

    @property
    def name(self) -> str:
        """Such as "J1, dvn, seed 3"."""
        what = f"seed {self.seed}"
        if self.search:
            choice = f", choice {self.choice + 1}" if self.choice else ""
            what = f"search, rate {self.rate:g}{choice}"
        return f"{self.study}, {self.arm}, {what}"

    def result(self) -> tuple[float, float] | None:
        """The mean accuracy over all outputs and the seconds of training; None if unfinished.

        Raises:
            UserError: if its results.json is damaged.
        """
        file = self.folder / "results.json"
        if not os.path.lexists(file):
            return None
        try:
            results = read_json(file)
            accuracies = [output["accuracy"] for output in results["outputs"].values()]
            return statistics.fmean(accuracies), float(results["seconds"])
        except (UserError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{file} is damaged ({error}): delete it, and the plan's command writes it again"
            ) from None


@dataclasses.dataclass(frozen=True)
class Plan:
    """Studies, and the steps in which their runs are done."""

    studies: dict[str, Study]
    steps: Sequence[Step]

    def runs(self, runs_dir: pathlib.Path) -> Iterator[Run]:
        """The runs that can be named by now, in their order, finished or not.

        Which rate the runs of an arm have is known when its search is finished; until then, the
        search's runs alone are named.

        Args:
            runs_dir: the folder of all runs.
        """
        searched = set()
        for step in self.steps:
            study = self.studies[step.study]
            for arm in step.arms:
                key = (step.study, study.arms[arm].rate_of or arm)
                if key not in searched:
                    searched.add(key)
                    candidates = self.search_runs(*key, runs_dir)
                    if len(candidates) > 1:
                        yield from candidates
            for seed in step.seeds:
                for arm in step.arms:
                    best = self.best(step.study, arm, runs_dir)
                    if best is not None:
                        folder = runs_dir / step.study / arm / f"seed{seed}"
                        yield dataclasses.replace(
                            best, folder=folder, arm=arm, seed=seed, search=False
                        )

    def unnamed(self, runs_dir: pathlib.Path) -> int:
        """How many runs wait for the end of a search."""
        return sum(
            len(step.seeds)
            for step in self.steps
            for arm in step.arms
            if self.best(step.study, arm, runs_dir) is None
        )

    def search_runs(self, study: str, arm: str, runs_dir: pathlib.Path) -> list[Run]:
        """The runs of an arm's search, as far as they are known by now.

        There is always one at least; where there is nothing to choose, it need not be done.
        """
        facts = self.studies[study]
        fixed, choices = facts.arms[arm].rate, facts.arms[arm].choices
        rates = sorted(facts.rates) if fixed is None else [fixed]

        def run(rate: float, choice: int = 0) -> Run:
            name = f"rate{rate:g}" + (f"_choice{choice + 1}" if choice else "")
            folder = runs_dir / "search" / study / arm / name
            return Run(folder, study, arm, rate, choice, facts.search_seed, search=True)

        found = [run(rate) for rate in rates]
        best = _best(found)
        while len(rates) > 1 and best is not None and best.rate in (rates[0], rates[-1]):
            beyond = best.rate / 2 if best.rate == rates[0] else best.rate * 2
            rates = sorted([*rates, beyond])
            found.append(run(beyond))
            best = _best(found)
        if best is not None:
            found += [run(best.rate, choice) for choice in range(1, len(choices))]
        return found

    def best(self, study: str, arm: str, runs_dir: pathlib.Path) -> Run | None:
        """The best run of an arm's search; None while the search is not finished."""
        arm = self.studies[study].arms[arm].rate_of or arm
        return _best(self.search_runs(study, arm, runs_dir))

    def command(self, run: Run, data_dir: str | None = None) -> list[str]:
        """The command that does a run.

        Args:
            run: the run.
            data_dir: see `experiments.joint`.
        """
        study = self.studies[run.study]
        arm = study.arms[run.arm]
        params = [*study.gin_params, *arm.gin_params, f"Recipe.learning_rate = {run.rate!r}"]
        if run.choice < len(arm.choices):
            params.append(arm.choices[run.choice])
        if run.search:
            params += study.search_params
        return [
            *(sys.executable, "-m", f"experiments.{study.program}"),
            *(f"--gin_file={file}" for file in (*study.gin_files, *arm.gin_files)),
            *(f"--gin_param={param}" for param in params),
            f"--seed={run.seed}",
            f"--run_dir={run.folder}",
            *([f"--data_dir={data_dir}"] if data_dir else []),
        ]


def _best(runs: Sequence[Run]) -> Run | None:
    """The most accurate run, the first of equals; None while one is not finished.

    A single run is the best without being done.
    """
    if len(runs) == 1:
        return runs[0]
    results = [run.result() for run in runs]
    if None in results:
        return None
    accuracies = [accuracy for accuracy, _ in results]
    return runs[accuracies.index(max(accuracies))]
