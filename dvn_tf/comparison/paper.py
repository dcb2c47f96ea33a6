"""What the paper prints of its scenarios (section 4), from `paper.csv` and `paper_tasks.csv`."""

import dataclasses
from importlib import resources

import pandas as pd

AVERAGE = "average"  # in the place of a task's number


@dataclasses.dataclass(frozen=True)
class PaperScenario:
    """One of the paper's scenarios.

    Attributes:
        tasks: a row for each task: source, backbone, batch_size, classes, train_images.
        accuracies: the printed accuracies, see `read_accuracies`; empty where there are none.
    """

    tasks: pd.DataFrame
    accuracies: pd.DataFrame

    @property
    def source(self) -> str:
        """The table or figure that shows the results."""
        return self.tasks["source"].iloc[0]

    @property
    def backbone(self) -> str:
        return self.tasks["backbone"].iloc[0]

    @property
    def batch_size(self) -> int | None:
        """None where the paper does not tell it for certain."""
        size = self.tasks["batch_size"].iloc[0]
        return None if pd.isna(size) else int(size)

    @property
    def sizes(self) -> list[str]:
        """The numbers of parameters that head Table 3's columns, the lowest level first."""
        return [size for size in self.accuracies["size"].unique() if size]

    def accuracy(self, method: str, level: int, task: str, levels: int) -> float | None:
        """A printed accuracy in per cent; None where there is none.

        Args:
            method: a method's key.
            level: from 1.
            task: a task's number, or `AVERAGE`.
            levels: how many levels the method has in the runs. If the paper's has another
                number of them, its levels are other networks, and there is no accuracy.
        """
        rows = self.accuracies[self.accuracies["method"] == method]
        found = rows[(rows["level"] == level) & (rows["task"] == str(task))]
        if found.empty or rows["level"].max() != levels:
            return None
        return float(found["accuracy"].iloc[0])

    def cost(self, method: str, column: str) -> str:
        """N_O ("outputs") or N_T ("parameters") of a method as printed, "" where it is not."""
        return next(iter(self.accuracies.loc[self.accuracies["method"] == method, column]), "")


def read_accuracies() -> pd.DataFrame:
    """All accuracies that the paper prints, a row each; `paper.csv` explains the columns."""
    return _read("paper.csv", {"level": int, "accuracy": float})


def scenario(name: str, kind: str, num_tasks: int) -> PaperScenario | None:
    """The paper's scenario of a name; None if it has none, or one of another shape.

    Args:
        name: such as "J1".
        kind: "joint" or "sequential".
        num_tasks: how many tasks the runs have.
    """
    tasks = _read("paper_tasks.csv", {"classes": int, "train_images": int})
    tasks = tasks[(tasks["scenario"] == name) & (tasks["kind"] == kind)]
    if len(tasks) != num_tasks:
        return None
    tasks = tasks.assign(batch_size=pd.to_numeric(tasks["batch_size"]))
    accuracies = read_accuracies()
    return PaperScenario(tasks, accuracies[accuracies["scenario"] == name])


def _read(name: str, numbers: dict[str, type]) -> pd.DataFrame:
    with resources.files(__package__).joinpath(name).open(encoding="utf-8") as file:
        frame = pd.read_csv(file, comment="#", dtype=str, keep_default_na=False)
    return frame.astype(numbers)
