"""A scenario: the tasks to learn, and the backbone and units that learn them.

Plain values, filled by gin files (see `dvn_tf.training.configuration`) or by hand.
"""

import dataclasses
from collections.abc import Sequence

from dvn_tf.data import Task, check_tasks
from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import Backbone
from dvn_tf.units import UnitPartition, UnitTable


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Several tasks, learned by one backbone whose channels are divided into units.

    Args:
        name: used for run folders and reports; the paper's scenarios are J1, J2, J3, H1, S1, S2.
        tasks: the tasks, in the order of their IDs: neighbours share units first.
        backbone: `WideResNet` or `ResNet`.
        num_units: number of units U; None means one for each task.
        num_levels: number of levels n_h, level l having l units; None means U.
        level_sizes: instead of `num_levels`, the number of units of each level, as (2, 3, 4).
        rows: instead of the paper's rule, an explicit table: for each task, for each level,
            the units used, as (((1,), (1, 2)), ((2,), (1, 2))).
        fractions: the share of the channels that each unit owns; None divides evenly.
        map_size: side in pixels of the maps that the input layers produce; None is the size of
            the smallest image, at most 32.
        sequential: whether the tasks come one after the other (section 3.3) instead of all at
            once. The images of earlier tasks are then no longer available.
        prefix_shares: for methods in which task j uses units 1..j (NestedNet, PackNet+): for each
            j, the share of all parameters that these units have. None is j/k.

    Raises:
        UserError: if the parts do not fit each other.
    """

    name: str
    tasks: Sequence[Task]
    backbone: Backbone
    num_units: int | None = None
    num_levels: int | None = None
    level_sizes: Sequence[int] | None = None
    rows: Sequence | None = None
    fractions: Sequence[float] | None = None
    map_size: int | None = None
    sequential: bool = False
    prefix_shares: Sequence[float] | None = None

    def __post_init__(self):
        object.__setattr__(self, "tasks", tuple(self.tasks))
        check_tasks(self.tasks)
        if self.sequential and len(self.tasks) < 2:
            raise UserError(f"a sequence needs at least two tasks; {self.name} has one")
        if self.prefix_shares is not None and len(self.prefix_shares) != len(self.tasks):
            raise UserError(
                f"Scenario.prefix_shares gives {len(self.prefix_shares)} shares for "
                f"{len(self.tasks)} tasks: give one for each task"
            )
        if self.rows is not None and (self.num_levels or self.level_sizes):
            raise UserError("an explicit table (rows) excludes num_levels and level_sizes")
        if self.table.num_tasks != len(self.tasks):
            raise UserError(
                f"the table has {self.table.num_tasks} rows for {len(self.tasks)} tasks"
            )
        if self.partition.num_units != self.table.num_units:
            raise UserError(
                f"the table has {self.table.num_units} units, but there are channel fractions "
                f"for {self.partition.num_units}: give one fraction for each unit"
            )
        for width in self.backbone.widths:
            self.partition.bounds(width)  # raises where a unit would get no channel

    @property
    def table(self) -> UnitTable:
        """The task x level table."""
        if self.rows is not None:
            return UnitTable(self.rows, self.num_units)
        return UnitTable.by_rule(len(self.tasks), self.num_units, self.num_levels, self.level_sizes)

    @property
    def partition(self) -> UnitPartition:
        """The channel fractions of the units."""
        if self.fractions is None:
            return UnitPartition.even(self.table.num_units)
        return UnitPartition(self.fractions)
