"""Units in groups by the level at which they enter a task, for unit-causal levels.

With causal levels, a unit of a task reads only units that entered the task no later than itself:
task j uses the block [unit a -> unit b] if S(a, j) <= S(b, j), see `UnitTable.entry_level`. Units
that enter together form a group. Wherever a function takes units, (1, 2) reads one another, and
((1,), (2,)) are two groups of which the second reads both and the first itself alone.
"""

from dvn_tf.units import Units, UnitTable

Groups = tuple[Units, ...]


def entry_groups(table: UnitTable, task: int, level: int) -> Groups:
    """The units of a virtual network in groups, those that enter the task first before others.

    Levels at which no unit enters have no group.

    Args:
        table: which units each (task, level) uses.
        task: the task's row, from 1.
        level: the level, from 1.
    """
    groups, known = [], set()
    for number in range(1, level + 1):
        new = tuple(unit for unit in table.units(task, number) if unit not in known)
        if new:
            groups.append(new)
            known.update(new)
    return tuple(groups)


def as_groups(units: Units | Groups) -> Groups:
    """Groups of units as they are, and units that read one another as one group."""
    return (units,) if isinstance(units[0], int) else tuple(units)


def all_units(units: Units | Groups) -> Units:
    """The units of all groups, in the order of their channels."""
    return tuple(sorted(unit for group in as_groups(units) for unit in group))


def read_order(groups: Groups) -> Groups:
    """Groups in the order in which a convolution reads their channels, by their lowest units.

    The rows of a kernel that neighbouring groups meet are then one plain slice, and tasks in which
    the same units entered in another order share it.
    """
    return tuple(sorted(groups))


def entry_name(layer: str, number: int, groups: Groups) -> str:
    """The name of the stock layer that computes one of several groups; a single one needs none.

    Args:
        layer: name of the layer in the backbone.
        number: position of the group, from 0.
        groups: all groups.
    """
    return f"{layer}_entry{number + 1}" if len(groups) > 1 else layer
