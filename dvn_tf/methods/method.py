"""What a method is made of: stages, each the training of one network."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, ClassVar

from dvn_tf.errors import UserError
from dvn_tf.methods.level_learning import LevelLearning
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.backbones import Backbone
from dvn_tf.networks.heads import Head
from dvn_tf.settings import Between, check_settings
from dvn_tf.units import UnitPartition, Units, UnitTable


@dataclasses.dataclass(frozen=True)
class Stage:
    """The training of one network, from its first weights to its last.

    Args:
        name: names the stage's folder.
        tasks: names of the network's tasks, the rows of the table.
        learned: the tasks among them that it learns from their images and labels. It keeps all
            others by distillation on these images and does not touch their own.
        table: which units each (task, level) of the network uses.
        partition: the channel fractions of all units, including those of later stages.
        backbone: the backbone.
        epochs: number of epochs.
        starts_from: earlier stages whose weights are copied in first, in this order.
        teacher: the earlier stage whose network is the teacher for old tasks.
        frozen_units: units whose weights training leaves alone.
        heads_only: whether only the heads are trained; all other layers are frozen.
        head: of the learned tasks.
        first_level: the level that results give to the network's first level.
        temperature: of the distillation.
        distillation_weight: weight of each distillation loss; cross-entropies have weight 1.
        learning: how the levels of a task learn together.
        causal: as for `DeepVirtualNetwork`.
    """

    name: str
    tasks: tuple[str, ...]
    learned: tuple[str, ...]
    table: UnitTable
    partition: UnitPartition
    backbone: Backbone
    epochs: int
    starts_from: tuple[str, ...] = ()
    teacher: str | None = None
    frozen_units: Units = ()
    heads_only: bool = False
    head: Head = dataclasses.field(default_factory=Head)
    first_level: int = 1
    temperature: float = 2.0
    distillation_weight: float = 1.0
    learning: LevelLearning = dataclasses.field(default_factory=LevelLearning)
    causal: bool = False


class Method:
    """A way to serve a scenario's tasks: a frozen dataclass of its settings.

    Attributes:
        name: used for run folders, as in runs/J1/<name>/seed0.
        title: its name in reports.
        one_network: whether its stages end in one network for all tasks; otherwise every stage
            leaves a network of its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    one_network: ClassVar[bool] = True

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """The stages, in their order.

        Args:
            scenario: the scenario.
            epochs: number of epochs for which each task is learned.

        Raises:
            UserError: if the method does not fit the scenario.
        """
        raise NotImplementedError

    def _needs_sequence(self, scenario: Scenario) -> None:
        if not scenario.sequential:
            raise UserError(
                f"{self.title} learns one task after another, and scenario {scenario.name} learns "
                "them together: use it with a sequential scenario, such as gin/s1_cifar10.gin"
            )

    def _needs_joint(self, scenario: Scenario) -> None:
        if scenario.sequential:
            raise UserError(
                f"{self.title} needs the images of all tasks, and scenario {scenario.name} is "
                "sequential: use it with a joint scenario, such as gin/j1_cifar.gin"
            )

    def _needs_own_table(self, scenario: Scenario) -> None:
        """Checks that the scenario leaves units and levels to the paper's rule: k for k tasks."""
        settings = ("num_units", "num_levels", "level_sizes", "table_rule", "affinity", "rows")
        defaults = {field.name: field.default for field in dataclasses.fields(scenario)}
        given = [
            f"Scenario.{name}"
            for name in (*settings, "fractions")
            if getattr(scenario, name) != defaults[name]
        ]
        if given:
            raise UserError(
                f"{self.title} adds one unit for each task of scenario {scenario.name}, which "
                f"contradicts {', '.join(given)}: leave {'these' if len(given) > 1 else 'it'} out"
            )


@dataclasses.dataclass(frozen=True)
class DistillingMethod(Method):
    """A method that keeps old tasks by distillation in sequential learning.

    Args:
        temperature: T of the distillation.
        distillation_weight: weight of each distillation loss; cross-entropies have weight 1.
    """

    temperature: Annotated[float, Between(0, 1_000, without_low=True)] = 2.0
    distillation_weight: Annotated[float, Between(0, 1_000)] = 1.0

    def __post_init__(self):
        check_settings(self)

    def _growing_stages(
        self, scenario: Scenario, epochs: int, rows: Callable, partition: UnitPartition, **settings
    ) -> tuple[Stage, ...]:
        """Stage k has tasks 1..k. The network of stage k-1 is its start and its teacher (Eq. 6).

        `rows(k)` gives the rows of the table of k tasks; `settings` are further fields of `Stage`.
        """
        names = task_names(scenario)
        return tuple(
            Stage(
                name,
                names[:k],
                learned=(name,),
                table=UnitTable(rows(k), partition.num_units),
                partition=partition,
                backbone=scenario.backbone,
                epochs=epochs,
                starts_from=names[k - 2 : k - 1],
                teacher=names[k - 2] if k > 1 else None,
                temperature=self.temperature,
                distillation_weight=self.distillation_weight,
                **settings,
            )
            for k, name in enumerate(names, start=1)
        )

    def _joint_stage(
        self,
        scenario: Scenario,
        epochs: int,
        table: UnitTable,
        partition: UnitPartition,
        **settings,
    ) -> tuple[Stage, ...]:
        """One stage for all tasks (Eq. 4); `settings` are further fields of `Stage`."""
        names = task_names(scenario)
        stage = Stage("all", names, names, table, partition, scenario.backbone, epochs)
        return (dataclasses.replace(stage, **settings),)


def task_names(scenario: Scenario) -> tuple[str, ...]:
    """The names of a scenario's tasks, in their order."""
    return tuple(task.name for task in scenario.tasks)


def prefix_partition(scenario: Scenario) -> UnitPartition:
    """The units of NestedNet and PackNet+: one for each task, by shares of the parameters.

    Section 4.3: task j uses the first j of k subsets of the parameters. The subsets are of equal
    size unless the scenario says otherwise.
    """
    count = len(scenario.tasks)
    shares = scenario.prefix_shares or tuple((j + 1) / count for j in range(count))
    return UnitPartition.by_parameters(shares)
