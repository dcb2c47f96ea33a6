"""The numbers that the paper prints (section 4), each from one training (N = 1).

Figures 5 and 6 print no numbers, so J2 and J3 have none here.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of Table 1 or 3, or a column of Table 4 or 5.

    Attributes:
        accuracies: of each task, in per cent.
        average: over the tasks, where the table gives it.
    """

    accuracies: tuple[float, ...]
    average: float | None = None


@dataclasses.dataclass(frozen=True)
class PaperScenario:
    """One of the paper's scenarios and what it reports of it.

    Attributes:
        source: the table or figure.
        sequential: whether the tasks come one after the other.
        backbone: of all methods.
        batch_size: None where the paper does not tell it for certain.
        classes: of each task.
        train_images: of each task.
        rows: {method: its levels, the lowest first}.
        outputs: {method: N_O}.
        parameters: {method: N_T}, as printed.
        level_parameters: what heads Table 3's columns.
    """

    source: str
    sequential: bool
    backbone: str
    batch_size: int | None
    classes: tuple[int, ...]
    train_images: tuple[int, ...]
    rows: dict[str, tuple[Row, ...]] = dataclasses.field(default_factory=dict)
    outputs: dict[str, int] = dataclasses.field(default_factory=dict)
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    level_parameters: tuple[str, ...] = ()

    def row(self, method: str, position: int, num_levels: int) -> Row | None:
        """The paper's row for a level of a method; None if it has no such row.

        Args:
            method: a method's key.
            position: the level, 1 for the lowest and -1 for the highest.
            num_levels: how many levels the method has in the runs: if the paper's has another
                number of them, its levels are other networks.
        """
        rows = self.rows.get(method, ())
        if not rows or len(rows) != num_levels:
            return None
        return rows[position - 1 if position > 0 else position]

    def accuracy(
        self, method: str, task: int | None, position: int, num_levels: int
    ) -> float | None:
        """The paper's accuracy in per cent; None where it gives none.

        Args:
            method: a method's key.
            task: from 0; None is the average over tasks.
            position: as in `row`.
            num_levels: as in `row`.
        """
        row = self.row(method, position, num_levels)
        if row is None:
            return None
        return row.average if task is None else row.accuracies[task]


SCENARIOS = {
    "J1": PaperScenario(
        source="Table 1",
        sequential=False,
        backbone="WRN-32-4",
        batch_size=128,
        classes=(10, 100),
        train_images=(50_000, 50_000),
        rows={
            "baseline": (Row((94.8, 76.4), 85.6),),
            "packnet": (Row((94.5, 75.3), 84.9),),
            "nestednet": (Row((94.7, 76.7), 85.7),),
            "dvn": (Row((94.6, 75.0), 84.8), Row((95.1, 77.3), 86.2)),
        },
        outputs={"baseline": 1, "packnet": 2, "nestednet": 2, "dvn": 4},
        parameters={"baseline": "14.8M", "packnet": "7.4M", "nestednet": "7.4M", "dvn": "7.4M"},
    ),
    "J2": PaperScenario(
        source="Figure 5",
        sequential=False,
        backbone="ResNet-42",
        batch_size=64,
        classes=(50,) * 4,
        train_images=(25_000,) * 4,
    ),
    "J3": PaperScenario(
        source="Figure 6",
        sequential=False,
        backbone="ResNet-42",
        batch_size=None,
        classes=(200, 100, 10),
        train_images=(100_000, 50_000, 5_000),
    ),
    "H1": PaperScenario(
        source="Table 3",
        sequential=False,
        backbone="WRN-32-4",
        batch_size=128,
        classes=(20, 100),
        train_images=(50_000, 50_000),
        rows={
            "baseline": (Row((82.1, 73.4)), Row((84.9, 75.7))),
            # One output a task: the low level for task 1, the high one for task 2.
            "nestednet": (Row((83.7, 76.6)),),
            "dvn": (Row((84.1, 74.9)), Row((86.1, 76.9))),
        },
        outputs={"baseline": 1, "nestednet": 2, "dvn": 4},
        level_parameters=("1.8M", "7.4M"),
    ),
    "S1": PaperScenario(
        source="Table 4",
        sequential=True,
        backbone="WRN-32-4",
        batch_size=128,
        classes=(5, 5),
        train_images=(25_000, 25_000),
        rows={
            "feature_extraction": (Row((96.3, 85.7), 91.0),),
            "da_cnn": (Row((96.3, 90.1), 93.2),),
            "lwf": (Row((95.3, 97.1), 96.2),),
            "nestednet": (Row((93.9, 98.2), 96.05),),
            "dvn": (Row((95.4, 97.7), 96.55), Row((95.8, 98.1), 96.95)),
        },
    ),
    "S2": PaperScenario(
        source="Table 5",
        sequential=True,
        backbone="WRN-32-8",
        batch_size=128,
        classes=(10, 100),
        train_images=(50_000, 50_000),
        rows={
            "feature_extraction": (Row((94.9, 53.2), 74.05),),
            "da_cnn": (Row((94.9, 57.4), 76.15),),
            "lwf": (Row((93.4, 77.2), 85.3),),
            "nestednet": (Row((93.1, 77.9), 85.5),),
            "dvn": (Row((93.1, 78.0), 85.55), Row((93.4, 78.7), 86.05)),
        },
    ),
}


def scenario(name: str, sequential: bool, num_tasks: int) -> PaperScenario | None:
    """The paper's scenario of this name; None if it has none, or one of another shape.

    Args:
        name: such as "J1".
        sequential: whether the runs' tasks come one after the other.
        num_tasks: how many tasks the runs have.
    """
    found = SCENARIOS.get(name)
    if found and found.sequential == sequential and len(found.classes) == num_tasks:
        return found
    return None
