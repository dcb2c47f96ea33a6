"""Units, and the static task x level table that says which of them a virtual network uses.

Pure Python: nothing here knows of tensors. Tasks, levels and units are counted from 1,
as in the paper ("Deep Virtual Networks", Kim et al., CVPR 2019, section 3.2).
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

from dvn_tf import table_rules
from dvn_tf.errors import UserError, shown
from dvn_tf.settings import checked
from dvn_tf.unit_limits import bounded, check_limit, checked_numbers, unit_number

Units = tuple[int, ...]
Intervals = tuple[tuple[int, int], ...]


def joined(intervals: Iterable[tuple[int, int]]) -> Intervals:
    """Intervals in their order, those that continue the one before joined with it."""
    whole: list[tuple[int, int]] = []
    for start, stop in intervals:
        if whole and whole[-1][1] == start:
            start = whole.pop()[0]
        whole.append((start, stop))
    return tuple(whole)


@dataclasses.dataclass(frozen=True)
class UnitPartition:
    """How the channels of every layer are divided into contiguous units.

    Args:
        fractions: the share of a layer's channels that each unit owns, one number a unit,
            each positive, their sum 1. A unit with a fraction f of the channels has about f**2
            of the parameters (section 4.2).

    Raises:
        UserError: if a fraction is not positive or the sum is not 1.

    Example:
        >>> UnitPartition.even(4).bounds(64)
        ((0, 16), (16, 32), (32, 48), (48, 64))
    """

    fractions: tuple[float, ...]

    def __post_init__(self):
        fractions = checked_numbers(float, self.fractions, "the channel fractions")
        fractions = tuple(map(float, fractions))
        object.__setattr__(self, "fractions", fractions)
        if not fractions:
            raise UserError("a partition needs at least one unit: give a fraction for each unit")
        if not all(fraction > 0 for fraction in fractions):
            raise UserError(f"every channel fraction must be positive, not {shown(fractions)}")
        if not math.isclose(sum(fractions), 1.0, abs_tol=1e-6):
            raise UserError(
                f"the channel fractions {shown(fractions)} sum to "
                f"{sum(fractions):g}; they must sum to 1"
            )

    @classmethod
    def even(cls, num_units: int) -> "UnitPartition":
        """Divides the channels into `num_units` equal parts, as the paper does."""
        if checked(int, num_units, "the number of units") < 1:
            raise UserError(f"a network needs at least one unit, not {num_units}")
        check_limit(num_units, "units")
        return cls((1.0 / num_units,) * num_units)

    @classmethod
    def by_parameters(cls, cumulative: Sequence[float]) -> "UnitPartition":
        """The partition whose first i units together hold a given share of the parameters.

        Args:
            cumulative: for each i, the share of all parameters that units 1..i have together,
                increasing up to 1; (1/4, 2/4, 3/4, 1) is the paper's J2 for PackNet+ and NestedNet.

        Raises:
            UserError: if the shares do not increase to 1.
        """
        # A fraction f of the channels has f**2 of the parameters: hence the square roots.
        cumulative = checked_numbers(float, cumulative, "the parameter shares")
        if any(share < 0 for share in cumulative):
            raise UserError(f"the parameter shares {shown(cumulative)} must be positive")
        edges = [0.0, *(math.sqrt(share) for share in cumulative)]
        return cls(tuple(high - low for low, high in itertools.pairwise(edges)))

    @property
    def num_units(self) -> int:
        """The number of units U."""
        return len(self.fractions)

    def bounds(self, channels: int) -> tuple[tuple[int, int], ...]:
        """The half-open channel interval of every unit in a layer of `channels` channels.

        Raises:
            UserError: if a unit ends up with no channel in such a layer.
        """
        edges = [0]
        for i in range(1, self.num_units + 1):
            # Halves are rounded up: Python's rounding to even could leave a unit without any.
            edges.append(math.floor(math.fsum(self.fractions[:i]) * channels + 0.5))
        for unit, (start, stop) in enumerate(itertools.pairwise(edges), start=1):
            if start == stop:
                raise UserError(
                    f"unit {unit} gets none of a layer's {channels} channels under the fractions "
                    f"{shown(self.fractions)}: use fewer units, larger fractions or a wider "
                    "backbone"
                )
        return tuple(itertools.pairwise(edges))

    def intervals(
        self, channels: int | Sequence[int], units: Units | None
    ) -> tuple[tuple[int, int], ...]:
        """The channel intervals that a set of units owns, in order, with neighbours joined.

        Args:
            channels: width of the whole layer, or the widths of layers that are concatenated.
            units: the units; None stands for a layer that is not partitioned (all channels).
        """
        widths = (channels,) if isinstance(channels, int) else channels
        if units is None:
            return ((0, sum(widths)),)
        if not all(1 <= unit <= self.num_units for unit in units):
            raise UserError(f"there are units 1 to {self.num_units}, not all of {tuple(units)}")
        owned, offset = [], 0
        for width in widths:
            bounds = self.bounds(width)
            owned += [tuple(offset + edge for edge in bounds[unit - 1]) for unit in sorted(units)]
            offset += width
        return joined(owned)

    def width(self, channels: int | Sequence[int], units: Units | None) -> int:
        """How many channels a set of units owns; arguments as for `intervals`."""
        return sum(stop - start for start, stop in self.intervals(channels, units))


@dataclasses.dataclass(frozen=True)
class UnitTable:
    """The static task x level table: which units does the virtual network (task, level) use?

    Everything in this project that asks "which units?" asks such a table. Training never changes
    it. The compared methods differ in their tables (`prefix` is NestedNet's).

    Args:
        rows: for each task, for each level, the units used. Within a row, each level contains the
            level before it (h^p is a subset of h^q for p <= q, Eq. 4). Two levels may be equal.
        num_units: the number of units U of the network; None means the highest unit named.

    Raises:
        UserError: if a row is empty, of another length than the others, not nested, or names
            a unit outside 1..num_units.

    Example:
        >>> table = UnitTable.by_rule(num_tasks=3, num_units=3)  # Eq. 3
        >>> table.units(task=2, level=2)
        (1, 2)
        >>> table.entry_level(unit=3, task=2)  # S(3, 2)
        3
    """

    rows: tuple[tuple[Units, ...], ...]
    num_units: int | None = None

    def __post_init__(self):
        try:
            rows = tuple(
                tuple(tuple(sorted(map(unit_number, bounded(level)))) for level in bounded(row))
                for row in bounded(self.rows)
            )
        except TypeError as error:
            raise UserError(
                "a table is a sequence of rows (tasks) of levels of units, such as "
                f"(((1,), (1, 2)), ((2,), (1, 2))), not {shown(self.rows)}"
            ) from error
        for part in (rows, *rows, *(level for row in rows for level in row)):
            check_limit(len(part), "tasks, levels and units")
        object.__setattr__(self, "rows", rows)
        if not rows or not all(rows):
            raise UserError("a table needs at least one task with at least one level")
        if len({len(row) for row in rows}) > 1:
            raise UserError(
                f"the tasks have {[len(row) for row in rows]} levels; all need the same number"
            )
        if self.num_units is None:
            highest = max((unit for row in rows for level in row for unit in level), default=0)
            object.__setattr__(self, "num_units", highest)
        check_limit(checked(int, self.num_units, "UnitTable.num_units"), "units")
        for task, row in enumerate(rows, start=1):
            self._check_row(task, row)

    def _check_row(self, task: int, row: tuple[Units, ...]) -> None:
        for level, units in enumerate(row, start=1):
            where = f"task {task}, level {level}"
            if not units:
                raise UserError(f"{where} of the table uses no unit: give it at least one")
            if len(set(units)) < len(units):
                raise UserError(f"{where} of the table names a unit twice: {units}")
            if units[0] < 1 or units[-1] > self.num_units:
                raise UserError(
                    f"{where} of the table uses units {units}; the network has units "
                    f"1..{self.num_units}"
                )
            if level > 1 and not set(row[level - 2]) <= set(units):
                raise UserError(
                    f"{where} of the table uses units {units}, which do not contain the units "
                    f"{row[level - 2]} of the level below: levels must be nested"
                )

    @classmethod
    def by_rule(
        cls,
        num_tasks: int,
        num_units: int | None = None,
        num_levels: int | None = None,
        level_sizes: Sequence[int] | None = None,
    ) -> "UnitTable":
        """The paper's rule (section 3.2), for any number of tasks and units.

        Level 1 of task j is unit j; each further level adds the nearest unit not yet taken, the
        lower ID first on a tie. Two generalizations keep this reading. A level may take several
        units at once: level 1 is then a window of neighbours, and distance is measured from its
        centre. And where there are more or fewer tasks than windows, the windows are spread
        evenly over the units.

        Args:
            num_tasks: number of tasks k.
            num_units: number of units U; None means k, as in the paper.
            num_levels: number of levels n_h, level l having l units; None means U.
            level_sizes: instead of `num_levels`, the number of units of every level, such
                as (2, 3, 4) for the paper's J3 (densities 4/16, 9/16, 1). Neighbours may be equal.

        Raises:
            UserError: if `num_levels` is more than the units, or a size is smaller than the one
                before or more than the units.
        """
        num_tasks, num_units, sizes = table_rules.checked_sizes(
            num_tasks, num_units, num_levels, level_sizes
        )
        orders = table_rules.paper_orders(num_tasks, num_units, sizes[0])
        return cls(table_rules.rows_by_orders(orders, sizes), num_units)

    @classmethod
    def prefix(cls, num_tasks: int) -> "UnitTable":
        """Task j uses units 1..j at one level: the table of NestedNet and PackNet+."""
        check_limit(checked(int, num_tasks, "the number of tasks"), "tasks")
        return cls(tuple((tuple(range(1, task + 1)),) for task in range(1, num_tasks + 1)))

    @property
    def num_tasks(self) -> int:
        """The number of tasks k."""
        return len(self.rows)

    @property
    def num_levels(self) -> int:
        """The number of levels n_h of every task."""
        return len(self.rows[0])

    def units(self, task: int, level: int) -> Units:
        """The units of the virtual network (task, level), in channel order: h^{level,task}."""
        if not 1 <= task <= self.num_tasks or not 1 <= level <= self.num_levels:
            raise UserError(
                f"there is no task {task}, level {level}: tasks run from 1 to {self.num_tasks}, "
                f"levels from 1 to {self.num_levels}"
            )
        return self.rows[task - 1][level - 1]

    def entry_level(self, unit: int, task: int) -> int | None:
        """S(i, j) of Eq. 5: the level at which a unit enters a task, None if it never does."""
        for level in range(1, self.num_levels + 1):
            if unit in self.units(task, level):
                return level
        return None
