"""The finished runs of one scenario: what report tables, tests and figures are made of."""

import dataclasses
import functools
import os
import pathlib
from fractions import Fraction

import numpy as np
import pandas as pd

from dvn_tf.comparison import paper
from dvn_tf.comparison.comparable import TASK_SETTINGS, check_comparable
from dvn_tf.comparison.correct_images import read_correct
from dvn_tf.comparison.runs import read_epochs, read_runs, unfinished_runs
from dvn_tf.comparison.statistics import Estimate, estimate
from dvn_tf.tasks import size_name
from dvn_tf.training.schema import COST

SEPARATE = "separate"
AVERAGE = "Average"  # heads the mean over tasks, beside "Task 1 (cifar10)"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The finished runs below a folder, all of one scenario and of the same settings.

    A level is counted from 1, the lowest. A task with fewer levels than its method has gives its
    highest level for those that it lacks.

    Attributes:
        folder: the folder.
        outputs: a row for each output of each run, see `runs.read_runs`.
        epochs: a row for each output of each epoch, see `runs.read_epochs`.
        unfinished: folders of runs without results.
        correct: {run: {output: whether each test image is classified correctly}}, of the runs
            that have a correct.json.
        paper: the paper's scenario, None if it has none like this.
    """

    folder: pathlib.Path
    outputs: pd.DataFrame
    epochs: pd.DataFrame
    unfinished: tuple[pathlib.Path, ...]
    correct: dict[str, dict[str, np.ndarray]]
    paper: paper.PaperScenario | None

    @property
    def settings(self) -> pd.Series:
        """What all runs share: scenario, kind, backbone and batch_size."""
        return self.outputs.iloc[0]

    @property
    def scenario(self) -> str:
        return self.settings["scenario"]

    @property
    def sequential(self) -> bool:
        """Whether the tasks come one after the other."""
        return self.settings["kind"] == "sequential"

    @functools.cached_property
    def tasks(self) -> pd.DataFrame:
        """A row for each task, by name: title, classes, train_images, test_images."""
        tasks = self.outputs.groupby("task", sort=False)[TASK_SETTINGS].first()
        titles = [f"Task {number} ({task})" for number, task in enumerate(tasks.index, start=1)]
        return tasks.assign(title=titles)

    @functools.cached_property
    def methods(self) -> pd.DataFrame:
        """A row for each method, by key, in the paper's order with the DVN last.

        The columns: title, epochs, units (how many), num_networks, run_parameters,
        run_parameters_paper, levels (the most that a task has), seeds (a tuple), seconds and
        training_multiply_adds (mean over seeds), num_outputs (of all networks together) and
        outputs_of_a_network (N_O, as the paper counts it in Table 1).
        """
        groups = self.outputs.groupby("method", sort=False)
        columns = ["title", "epochs", "units"]
        columns += ["num_networks", "run_parameters", "run_parameters_paper"]
        methods = groups[columns].first()
        methods["levels"] = groups["level"].max()
        methods["seeds"] = groups["seed"].agg(lambda seeds: tuple(seeds.unique()))
        runs = self.outputs.drop_duplicates("run")
        for column in ("seconds", "training_multiply_adds"):
            methods[column] = runs.groupby("method")[column].mean()
        methods["num_outputs"] = groups.size() // methods["seeds"].map(len)
        networks = methods["num_networks"].clip(lower=1)
        return methods.assign(outputs_of_a_network=methods["num_outputs"] // networks)

    @property
    def has_dvn(self) -> bool:
        return "dvn" in self.methods.index

    @property
    def variants(self) -> list[str]:
        """The variants of the DVN: other settings of the same method, such as dvn_distilled."""
        return [method for method in self.methods.index if method.startswith("dvn_")]

    @property
    def has_separate(self) -> bool:
        """Whether there are networks of the same sizes that share nothing, to compare it to."""
        return SEPARATE in self.methods.index

    @property
    def others(self) -> list[str]:
        """The methods that the paper compares the DVN to, and those of others.

        Left out are variants of the DVN and separate networks, which have sections of their own in
        reports, and do not enlarge the family of the paper's comparison.
        """
        own = {"dvn", *self.variants}
        names = [name for name in self.methods.index if name not in own]
        return [name for name in names if not f"{name}_".startswith(f"{SEPARATE}_")]

    @property
    def single_run(self) -> bool:
        """Whether there is one method with one seed, so nothing to compare."""
        return self.outputs["run"].nunique() == 1

    @property
    def levels(self) -> list[tuple[str, int]]:
        """Each method with each of its levels, in order."""
        each = self.methods["levels"].items()
        return [(method, level) for method, levels in each for level in range(1, levels + 1)]

    def levels_of(self, method: str, task: str) -> list[int]:
        """The levels that a method has of a task, the lowest first."""
        return self._levels_of.get((method, task), [])

    @functools.cached_property
    def _levels_of(self) -> dict[tuple[str, str], list[int]]:
        groups = self.outputs.groupby(["method", "task"])["level"]
        return {names: sorted(levels.unique()) for names, levels in groups}

    def by_level(self, column: str) -> pd.DataFrame:
        """A column of `outputs` with the titles of the tasks across.

        Args:
            column: such as "density".

        Returns:
            A row for each (method, level, seed).
        """
        index = ["method", "seed", "level"]
        wide = self.outputs.pivot(index=index, columns="task", values=column)
        wide = wide.groupby(level=["method", "seed"]).ffill()
        return wide[self.tasks.index].set_axis(self.tasks["title"], axis=1).swaplevel().sort_index()

    @functools.cached_property
    def exact_accuracies(self) -> pd.DataFrame:
        """Test accuracies in per cent, of each task and their average, as fractions of images.

        What is equal is equal here, without rounding. The rows are those of `by_level`.
        """
        correct, total = (self.by_level(name).map(as_fraction) for name in ("correct", "total"))
        shares = 100 * (correct / total)
        average = [sum(row) / len(row) for row in shares.to_numpy()]
        return shares.assign(**{AVERAGE: pd.Series(average, shares.index, object)})

    @functools.cached_property
    def exact_outputs(self) -> pd.DataFrame:
        """Test accuracies in per cent, as fractions of images: a row for each (method, seed).

        The columns are (task, level); NaN where a method lacks the output.
        """
        correct, total = (self.outputs[name].map(as_fraction) for name in ("correct", "total"))
        shares = self.outputs.assign(share=100 * correct / total)
        return shares.pivot(index=["method", "seed"], columns=["task", "level"], values="share")

    @functools.cached_property
    def accuracies(self) -> pd.DataFrame:
        """`exact_accuracies` as floats."""
        return self.exact_accuracies.astype(float)

    def accuracy(self, method: str, level: int, title: str) -> Estimate:
        """The mean accuracy over seeds, in per cent.

        Args:
            method: a method's key.
            level: from 1.
            title: of a task, or `AVERAGE`.
        """
        return estimate(self.exact_accuracies.loc[(method, level), title].tolist())

    def cost(self, method: str, level: int, title: str, column: str) -> float:
        """The parameters, density or the like of an output; from the first seed."""
        return self._costs[column].loc[(method, level), title].iloc[0]

    @functools.cached_property
    def _costs(self) -> dict[str, pd.DataFrame]:
        return {column: self.by_level(column) for column in COST}

    def curves(self, method: str, task: str, level: int, epoch: str = "epoch") -> pd.DataFrame:
        """Test accuracy by epoch, in per cent.

        Args:
            method: a method's key.
            task: a task's name.
            level: from 1. If the network of a stage lacked it, this is the highest that it had.
            epoch: how epochs are counted, a column of `epochs`: "epoch" or "task_epoch".

        Returns:
            A row for each epoch that was measured with all seeds, a column for each seed.
        """
        rows = self.epochs.query(f"method == @method and task == @task and {epoch}.notna()")
        by_level = rows.pivot(index=[epoch, "seed"], columns="level", values="accuracy")
        by_level = by_level.reindex(columns=range(1, level + 1))
        if self.methods.at[method, "num_networks"] == 1:
            by_level = by_level.ffill(axis=1)
        by_seed = 100 * by_level[level].unstack("seed")
        by_seed = by_seed.reindex(columns=self.methods.at[method, "seeds"]).dropna()
        return by_seed.set_axis(by_seed.index.astype(int))

    def stage_ends(self, method: str) -> list[int]:
        """The epoch after which each stage but the last ended, counted over all stages."""
        epochs = self.epochs[self.epochs["method"] == method]
        ends = epochs.loc[epochs["seed"] == epochs["seed"].min(), "stage_end"]
        return sorted(ends.unique())[:-1]

    def paper_accuracy(self, method: str, level: int, title: str) -> float | None:
        """The accuracy that the paper prints, in per cent; None where there is none."""
        if self.paper is None:
            return None
        numbers = {name: number for number, name in enumerate(self.tasks["title"], start=1)}
        task = numbers.get(title, paper.AVERAGE)
        return self.paper.accuracy(method, level, task, self.methods.at[method, "levels"])

    def size(self, method: str, level: int, title: str = AVERAGE) -> str:
        """What reports and TensorBoard call the size of an output: "full", "25 %".

        Args:
            method: a method's key.
            level: from 1.
            title: of a task, or `AVERAGE`, which gives the sizes of all tasks: "51 %, full".
        """
        titles = self.tasks["title"] if title == AVERAGE else [title]
        names = [size_name(self.cost(method, level, task, "density")) for task in titles]
        return ", ".join(dict.fromkeys(names))

    def level_title(self, method: str, level: int, title: str = AVERAGE) -> str:
        """ "DVN (25 %)": a method with the `size` of a level."""
        size = self.size(method, level, title)
        rows = self.outputs[self.outputs["method"] == method]
        if title != AVERAGE:
            rows = rows[rows["task"].map(self.tasks["title"]) == title]
        others = {*rows["level"]} - {level}
        if size in (self.size(method, other, title) for other in others):
            size += f", level {level}"  # levels may be equal (Eq. 4)
        return f"{self.methods.at[method, 'title']} ({size})"


def as_fraction(count: float) -> Fraction:
    """A whole number as a fraction, with which pandas computes exactly."""
    return Fraction(int(count))


def read_comparison(folder: str | os.PathLike) -> Comparison:
    """Reads the finished runs below a folder, and checks that they can be compared.

    Args:
        folder: such as runs/J1.

    Raises:
        UserError: if there is no run, if a file is damaged, or as `check_comparable`.
    """
    outputs = read_runs(folder)
    check_comparable(pathlib.Path(folder), outputs)
    scenario, kind = outputs.iloc[0][["scenario", "kind"]]
    theirs = paper.scenario(scenario, kind, outputs["task"].nunique())
    unfinished = tuple(unfinished_runs(folder))
    epochs, correct = read_epochs(outputs), read_correct(outputs)
    return Comparison(pathlib.Path(folder), outputs, epochs, unfinished, correct, theirs)
