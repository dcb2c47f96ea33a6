"""A scenario: the tasks to learn, and the backbone and units that learn them.

Plain values, filled by gin files (see `dvn_tf.training.configuration`) or by hand.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from dvn_tf import table_rules
from dvn_tf.data import Task, check_tasks
from dvn_tf.errors import UserError, shown
from dvn_tf.networks.backbones import Backbone
from dvn_tf.settings import Between, Described, FileName, Length, OneOf, check_settings
from dvn_tf.table_rules import AFFINITY_LIMIT, LEARNED, PAPER, TABLE_RULES
from dvn_tf.unit_limits import UNIT_LIMIT
from dvn_tf.units import UnitPartition, UnitTable

_VIRTUAL_NETWORKS = 1_024  # at most; each has a head and normalization of its own
_Count = Annotated[int, Between(1, UNIT_LIMIT)]
_Share = Annotated[float, Between(0, 1, without_low=True)]
_Several = Length(1, UNIT_LIMIT)
_Affinity = Annotated[float, Between(-AFFINITY_LIMIT, AFFINITY_LIMIT)]
BackboneSetting = Annotated[
    Backbone, Described("a backbone such as @WideResNet()", "backbones such as @WideResNet()")
]
_TaskSetting = Annotated[Task, Described("a task such as @Task()", "tasks such as @first/Task()")]


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Several tasks, learned by one backbone whose channels are divided into units.

    Args:
        name: used for run folders and reports: letters, digits, `_` and `-`. The paper's
            scenarios are J1, J2, J3, H1, S1, S2.
        tasks: the tasks, in the order of their IDs: neighbours share units first.
        backbone: `WideResNet` or `ResNet`.
        num_units: number of units U; None means one for each task.
        num_levels: number of levels n_h, level l having l units; None means U.
        level_sizes: instead of `num_levels`, the number of units of each level, as (2, 3, 4).
        rows: instead of a rule, an explicit table: for each task, for each level,
            the units used, as (((1,), (1, 2)), ((2,), (1, 2))).
        fractions: the share of the channels that each unit owns; None divides evenly.
        map_size: side in pixels of the maps that the input layers produce; None is the size of
            the smallest image, at most 32.
        sequential: whether the tasks come one after the other (section 3.3) instead of all at
            once. The images of earlier tasks are then no longer available.
        prefix_shares: for methods in which task j uses units 1..j (NestedNet, PackNet+): for each
            j, the share of all parameters that these units have. None is j/k.
        table_rule: which units the levels of a task take, one after the other. "paper" takes the
            nearest first (section 3.2); "balanced" does so as far as every unit is used by equally
            many (task, level); "learned" takes the units of the greatest `affinity` first. The
            latter two need as many units as tasks, see `dvn_tf.table_rules`.
        affinity: for the learned table, a row for each task: how much each unit has to give the
            task, as `python -m experiments.affinity` measures it.

    Raises:
        UserError: if the parts do not fit each other.
    """

    name: Annotated[str, FileName()]
    tasks: Annotated[Sequence[_TaskSetting], Length(0, UNIT_LIMIT)]
    backbone: BackboneSetting
    num_units: _Count | None = None
    num_levels: _Count | None = None
    level_sizes: Annotated[Sequence[_Count], _Several] | None = None
    rows: (
        Annotated[
            Sequence[Annotated[Sequence[Annotated[Sequence[_Count], _Several]], _Several]],
            _Several,
        ]
        | None
    ) = None
    fractions: Annotated[Sequence[_Share], _Several] | None = None
    map_size: Annotated[int, Between(1, 4_096)] | None = None
    sequential: bool = False
    prefix_shares: Annotated[Sequence[_Share], _Several] | None = None
    table_rule: Annotated[str, OneOf(*TABLE_RULES)] = PAPER
    affinity: Annotated[Sequence[Annotated[Sequence[_Affinity], _Several]], _Several] | None = None

    def __post_init__(self):
        check_settings(self)
        check_tasks(self.tasks)
        if self.sequential and len(self.tasks) < 2:
            raise UserError(f"a sequence needs at least two tasks; {self.name} has one")
        if self.prefix_shares is not None and len(self.prefix_shares) != len(self.tasks):
            raise UserError(
                f"Scenario.prefix_shares gives {len(self.prefix_shares)} shares for "
                f"{len(self.tasks)} tasks: give one for each task"
            )
        if self.prefix_shares is not None:
            UnitPartition.by_parameters(self.prefix_shares)  # raises where they do not rise to 1
        if self.rows is not None and (self.num_levels or self.level_sizes):
            raise UserError("an explicit table (rows) excludes num_levels and level_sizes")
        self._check_virtual_networks()
        self._check_table_rule()
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

    def _check_virtual_networks(self) -> None:
        """Checks their number before the table is made, which takes time itself."""
        levels = self.num_levels or self.num_units or len(self.tasks)
        if self.level_sizes is not None:
            levels = len(self.level_sizes)
        count = levels * len(self.tasks) if self.rows is None else sum(map(len, self.rows))
        if count > _VIRTUAL_NETWORKS:
            raise UserError(
                f"tasks and levels make {count:,} virtual networks, and a network can have at most "
                f"{_VIRTUAL_NETWORKS:,}: use fewer levels or tasks"
            )

    def _check_table_rule(self) -> None:
        rule, count = self.table_rule, len(self.tasks)
        if rule == LEARNED and self.affinity is None:
            raise UserError(
                "Scenario.table_rule 'learned' needs Scenario.affinity: measure it with "
                "python -m experiments.affinity"
            )
        if rule != LEARNED and self.affinity is not None:
            raise UserError(
                f"Scenario.affinity is for Scenario.table_rule 'learned', not {rule!r}: leave one "
                "of them out"
            )
        if rule == PAPER:
            return
        if self.rows is not None:
            raise UserError(
                f"an explicit table (rows) excludes Scenario.table_rule {rule!r}: leave one of "
                "them out"
            )
        if self.num_units not in (None, count):
            raise UserError(
                f"Scenario.table_rule {rule!r} needs as many units as tasks: {count}, not "
                f"{self.num_units}"
            )
        lengths = [len(row) for row in self.affinity or ()]
        if rule == LEARNED and lengths != [count] * count:
            raise UserError(
                f"Scenario.affinity needs {count} rows of {count} numbers, a row for each task and "
                f"a number for each unit; its rows have {shown(lengths)}"
            )

    @property
    def table(self) -> UnitTable:
        """The task x level table."""
        if self.rows is not None:
            return UnitTable(self.rows, self.num_units)
        size = (len(self.tasks), self.num_units, self.num_levels, self.level_sizes)
        if self.table_rule == PAPER:
            return UnitTable.by_rule(*size)
        num_tasks, num_units, sizes = table_rules.checked_sizes(*size)
        if self.table_rule == LEARNED:
            orders = table_rules.learned_orders(self.affinity, sizes[-1])
        else:
            orders = table_rules.balanced_orders(num_tasks, sizes[-1])
        return UnitTable(table_rules.rows_by_orders(orders, sizes), num_units)

    @property
    def partition(self) -> UnitPartition:
        """The channel fractions of the units."""
        if self.fractions is None:
            return UnitPartition.even(self.table.num_units)
        return UnitPartition(self.fractions)
