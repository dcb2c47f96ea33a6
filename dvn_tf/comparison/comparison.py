"""The finished runs of one scenario: what report tables, tests and figures are made of."""

import dataclasses
import functools
import os
import pathlib
from fractions import Fraction

import pandas as pd

from dvn_tf.comparison import paper
from dvn_tf.comparison.runs import read_epochs, read_runs, unfinished_runs
from dvn_tf.comparison.statistics import Estimate, estimate
from dvn_tf.errors import UserError
from dvn_tf.tasks import size_name

AVERAGE = "Average"  # heads the mean over tasks, beside "Task 1 (cifar10)"
# What must agree between all runs, between the runs of a method, and for each task.
_SETTINGS = ["kind", "backbone", "epochs", "batch_size", "tasks"]
_METHOD_SETTINGS = ["title", "units", "levels", "num_networks"]
_METHOD_SETTINGS += ["run_parameters", "run_parameters_paper", "outputs"]
_TASK_SETTINGS = ["classes", "train_images", "test_images"]


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
        paper: the paper's scenario, None if it has none like this.
    """

    folder: pathlib.Path
    outputs: pd.DataFrame
    epochs: pd.DataFrame
    unfinished: tuple[pathlib.Path, ...]
    paper: paper.PaperScenario | None

    @property
    def settings(self) -> pd.Series:
        """What all runs share: scenario, kind, backbone, epochs and batch_size."""
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
        tasks = self.outputs.groupby("task", sort=False)[_TASK_SETTINGS].first()
        titles = [f"Task {number} ({task})" for number, task in enumerate(tasks.index, start=1)]
        return tasks.assign(title=titles)

    @functools.cached_property
    def methods(self) -> pd.DataFrame:
        """A row for each method, by key, in the paper's order with the DVN last.

        The columns: title, num_networks, run_parameters, run_parameters_paper, levels (the most
        that a task has), seeds (a tuple), seconds (mean over seeds), num_outputs (of all networks
        together) and outputs_of_a_network (N_O, as the paper counts it in Table 1).
        """
        groups = self.outputs.groupby("method", sort=False)
        columns = ["title", "num_networks", "run_parameters", "run_parameters_paper"]
        methods = groups[columns].first()
        methods["levels"] = groups["level"].max()
        methods["seeds"] = groups["seed"].agg(lambda seeds: tuple(seeds.unique()))
        runs = self.outputs.drop_duplicates("run")
        methods["seconds"] = runs.groupby("method")["seconds"].mean()
        methods["num_outputs"] = groups.size() // methods["seeds"].map(len)
        networks = methods["num_networks"].clip(lower=1)
        return methods.assign(outputs_of_a_network=methods["num_outputs"] // networks)

    @property
    def has_dvn(self) -> bool:
        return "dvn" in self.methods.index

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
        rows = self.outputs.query("method == @method and task == @task")
        return sorted(rows["level"].unique())

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
        return self.by_level(column).loc[(method, level), title].iloc[0]

    def curves(self, method: str, task: str, level: int, epoch: str = "epoch") -> pd.DataFrame:
        """Test accuracy by epoch, in per cent.

        Args:
            method: a method's key.
            task: a task's name.
            level: from 1. A stage whose network lacks the level gives its highest.
            epoch: how epochs are counted, a column of `epochs`: "epoch" or "task_epoch".

        Returns:
            A row for each epoch that was measured with all seeds, a column for each seed.
        """
        rows = self.epochs.query(f"method == @method and task == @task and {epoch}.notna()")
        by_level = rows.pivot(index=[epoch, "seed"], columns="level", values="accuracy")
        by_level = by_level.reindex(columns=range(1, level + 1)).ffill(axis=1)
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
        UserError: if there is no run, if a file is damaged, or if the runs are of several
            scenarios, of different settings, or twice of one method and seed.
    """
    outputs = read_runs(folder)
    _check_comparable(pathlib.Path(folder), outputs)
    scenario, kind = outputs.iloc[0][["scenario", "kind"]]
    theirs = paper.scenario(scenario, kind, outputs["task"].nunique())
    unfinished = tuple(unfinished_runs(folder))
    return Comparison(pathlib.Path(folder), outputs, read_epochs(outputs), unfinished, theirs)


def _check_comparable(folder: pathlib.Path, outputs: pd.DataFrame) -> None:
    """Checks that a difference between runs can only come from the method and the seed."""
    scenarios = sorted(outputs["scenario"].unique())
    if len(scenarios) > 1:
        first = os.path.commonpath([*outputs.loc[outputs["scenario"] == scenarios[0], "run"]])
        raise UserError(
            f"{folder} holds runs of several scenarios ({', '.join(scenarios)}): name one of them, "
            f"such as --runs={first}"
        )
    runs = outputs.drop_duplicates("run").set_index("run", drop=False)
    for (method, seed), same in runs.groupby(["method", "seed"]):
        if len(same) > 1:
            paths = sorted(same["run"])
            raise UserError(
                f"method {method} with seed {seed} is there twice, in {paths[0]} and {paths[1]}: "
                "move one of them away"
            )
    names = outputs.assign(outputs=outputs["task"] + "/level" + outputs["level"].astype(str))
    listed = names.groupby("run")[["task", "outputs"]].agg(
        lambda column: ", ".join(column.unique())
    )
    runs = runs.assign(tasks=listed["task"], outputs=listed["outputs"])
    _check_same(runs, _SETTINGS)
    for _, same in runs.groupby("method", sort=False):
        _check_same(same, _METHOD_SETTINGS)
    for task, same in outputs.groupby("task", sort=False):
        _check_same(same, _TASK_SETTINGS, f" of {task}")


def _check_same(rows: pd.DataFrame, columns: list[str], of: str = "") -> None:
    first = rows.iloc[0]
    for column in columns:
        others = rows[rows[column] != first[column]]
        if len(others):
            other = others.iloc[0]
            raise UserError(
                f"{first['run']} and {other['run']} differ in {column.removeprefix('run_')}{of} "
                f"({first[column]}; {other[column]}): only runs of the same settings can be "
                "compared, so move the others to a folder of their own"
            )
