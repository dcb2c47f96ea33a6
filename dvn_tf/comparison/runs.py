"""The finished runs of one scenario, by method: what tables, tests and figures are made of."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder.
        results: what its `results.json` holds.
    """

    path: pathlib.Path
    results: dict

    @property
    def method(self) -> str:
        return self.results["method"]

    @property
    def seed(self) -> int:
        return self.results["seed"]


@dataclasses.dataclass(frozen=True)
class Method:
    """All runs of a method, one for each seed.

    A level is asked for by its position among the task's levels, 1 for the lowest and -1 for
    the highest: a method with one output a task has the same for both.

    Attributes:
        key: its name in folders, such as "dvn".
        title: its name in tables, such as "DVN".
        runs: in the order of their seeds.
    """

    key: str
    title: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    @property
    def results(self) -> dict:
        """Of the first run; what does not depend on the seed is the same in all."""
        return self.runs[0].results

    @property
    def num_outputs(self) -> int:
        """Outputs of all networks together."""
        return len(self.results["outputs"])

    @property
    def outputs_of_a_network(self) -> int:
        """N_O as the paper counts it: the outputs of one trained network (Table 1)."""
        return self.num_outputs // max(self.results["num_networks"], 1)

    @functools.cached_property
    def levels(self) -> dict[str, list[int]]:
        """{task: its levels, the lowest first}."""
        found = {task: [] for task in self.results["tasks"]}
        for name in self.results["outputs"]:
            task, level = name.rsplit("/level", 1)
            found[task].append(int(level))
        return {task: sorted(levels) for task, levels in found.items()}

    @property
    def num_levels(self) -> int:
        """The most levels that any task has."""
        return max(len(levels) for levels in self.levels.values())

    def name(self, task: str, position: int) -> str:
        """The output's name, "<task>/level<l>"; a task with fewer levels gives its highest."""
        levels = self.levels[task]
        index = min(position, len(levels)) - 1 if position > 0 else position
        return f"{task}/level{levels[index]}"

    def output(self, task: str, position: int) -> dict:
        """Cost of an output, from the first run."""
        return self.results["outputs"][self.name(task, position)]

    def accuracies(
        self, task: str | None, position: int, seeds: Sequence[int] | None = None
    ) -> np.ndarray:
        """Test accuracies in per cent, one a seed.

        Args:
            task: a task's name; None is the average over tasks.
            position: the level, 1 for the lowest and -1 for the highest.
            seeds: the seeds to take, in this order; None is all.
        """
        tasks = list(self.levels) if task is None else [task]
        by_seed = {
            run.seed: 100
            * np.mean([run.results["outputs"][self.name(t, position)]["accuracy"] for t in tasks])
            for run in self.runs
        }
        return np.array([by_seed[seed] for seed in (self.seeds if seeds is None else seeds)])


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The finished runs below a folder, all of one scenario and of the same settings.

    Attributes:
        folder: the folder.
        methods: {key: method}, in the paper's order with the DVN last.
        unfinished: folders of runs without results.
    """

    folder: pathlib.Path
    methods: dict[str, Method]
    unfinished: tuple[pathlib.Path, ...]

    @property
    def results(self) -> dict:
        """Of some run, for the settings that all share."""
        return next(iter(self.methods.values())).results

    @property
    def scenario(self) -> str:
        return self.results["scenario"]

    @property
    def sequential(self) -> bool:
        return self.results["kind"] == "sequential"

    @property
    def tasks(self) -> dict[str, dict]:
        return self.results["tasks"]

    @property
    def dvn(self) -> Method | None:
        return self.methods.get("dvn")
