"""What must hold of the arguments of a deep virtual network."""

from collections.abc import Sequence

from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import Backbone
from dvn_tf.networks.mean_gradients import MEAN
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable


def check_fit(
    tasks: Sequence[TaskInfo], table: UnitTable, backbone: Backbone, partition: UnitPartition
) -> None:
    """Checks that the parts of a network fit each other.

    Args:
        tasks: the tasks.
        table: which units each (task, level) uses.
        backbone: the backbone.
        partition: the channel fractions of the units.

    Raises:
        UserError: if they do not, or a unit gets no channel in a layer.
    """
    if len({task.name for task in tasks}) < len(tasks):
        raise UserError(f"two tasks have the same name: {[task.name for task in tasks]}")
    if len(tasks) != table.num_tasks:
        raise UserError(
            f"the table has rows for {table.num_tasks} tasks, but there are {len(tasks)} tasks"
        )
    if partition.num_units != table.num_units:
        raise UserError(
            f"the partition has {partition.num_units} units, the table {table.num_units}"
        )
    for width in backbone.widths:
        partition.bounds(width)  # raises where a unit has no channel


def check_gradients(causal: bool, gradients: str) -> None:
    """Checks that a network's gradients can be divided by the number of losses that reach them.

    Args:
        causal: whether its levels are unit-causal.
        gradients: "sum" or "mean".

    Raises:
        UserError: if they cannot.
    """
    if causal and gradients == MEAN:
        raise UserError(
            "gradients 'mean' does not count the levels that share a pass of a causal network: "
            "leave one of the two out"
        )
