"""Starting a network from the weights of another, unit by unit.

A sequence of tasks starts each network from the one before (section 3.3), which has fewer units
or other tasks. What both have in common is copied; the rest stays as it was.
"""

from collections.abc import Sequence

import numpy as np

from dvn_tf.errors import UserError
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.tasks import head_name
from dvn_tf.units import UnitPartition, Units


def warm_start(
    source: DeepVirtualNetwork, target: DeepVirtualNetwork, new_tasks: bool = True
) -> None:
    """Copies weights into a network of the same backbone and partition.

    Kernels: the block of all units that both networks store. Input layers: by task. Normalization
    and heads of each (task, level): from the virtual network of that task in `source` that has
    most units in common with it and no others.

    Args:
        source: the network to copy from; it stays as it is.
        target: the network to copy into.
        new_tasks: whether a task that the source does not know starts from the source's last
            task: from its normalization and, where images have one shape, its input layer, but
            not from its head.

    Raises:
        UserError: if one of the networks has causal levels, whose normalization has no equal.
    """
    if source.causal or target.causal:
        raise UserError(
            "a network with causal levels cannot start from another network's weights, nor another "
            "from its: leave DVN.causal at False"
        )
    for layer in target.layers:
        if isinstance(layer, UnitConv2D):
            _copy_kernel(source.get_layer(layer.name), layer)
    old, new = _virtual_networks(source), _virtual_networks(target)
    origins = {
        index: _nearest(old, task if task in source.tasks_by_name else source.tasks[-1].name, units)
        for index, (task, _, units) in enumerate(new)
        if new_tasks or task in source.tasks_by_name
    }
    origins = {index: origin for index, origin in origins.items() if origin is not None}
    for name, (widths, partitioned) in target.norms.items():
        for index, origin in origins.items():
            positions = slice(None)
            if partitioned:
                positions = _positions(target.partition, widths, new[index][2], old[origin][2])
            _copy_normalization(
                source.get_layer(name), target.get_layer(name), origin, index, positions
            )
    for index, origin in origins.items():
        (before, level_before, units_before), (task, level, units) = old[origin], new[index]
        _copy_input(source, target, before, task)
        if before == task:
            rows = _positions(target.partition, target.feature_widths, units, units_before)
            names = head_name(before, level_before), head_name(task, level)
            target.heads[task].copy(source, target, *names, rows)


def _virtual_networks(network: DeepVirtualNetwork) -> list[tuple[str, int, Units]]:
    """(task, level, units) of every virtual network."""
    return [(task.name, level, units) for task, level, units in network.virtual_networks.values()]


def _nearest(virtual_networks, task: str, units: Units) -> int | None:
    """The task's virtual network with most of the units and no other unit; None without one."""
    inside = [
        (len(used), index)
        for index, (name, _, used) in enumerate(virtual_networks)
        if name == task and set(used) <= set(units)
    ]
    return max(inside)[1] if inside else None


def _positions(
    partition: UnitPartition, widths: Sequence[int], units: Units, chosen: Units
) -> np.ndarray:
    """Where the channels of some chosen units lie among those of `units`."""
    own, wanted = (_channels(partition, widths, some) for some in (units, chosen))
    return np.flatnonzero(np.isin(own, wanted))


def _channels(partition: UnitPartition, widths: Sequence[int], units: Units) -> np.ndarray:
    """The channels of some units in the whole network."""
    return _flat(partition.intervals(widths, units))


def _copy_kernel(source: UnitConv2D, target: UnitConv2D) -> None:
    stored = [
        set(conv.stored_units or range(1, conv.partition.num_units + 1))
        for conv in (source, target)
    ]
    common = tuple(sorted(stored[0] & stored[1]))
    if not common:
        return
    in_units = common if target.partitioned_input else None
    kernel = np.array(target.kernel)
    rows, columns = (_flat(intervals) for intervals in target.blocks(in_units, common))
    kernel[:, :, rows[:, None], columns] = np.asarray(source.sub_kernel(in_units, common))
    target.kernel.assign(kernel)


def _flat(intervals) -> np.ndarray:
    return np.concatenate([np.arange(start, stop) for start, stop in intervals])


def _copy_normalization(
    source: SwitchableBatchNormalization,
    target: SwitchableBatchNormalization,
    origin: int,
    index: int,
    positions,
) -> None:
    start = sum(target.widths[:index])
    vectors = (target.gamma, target.beta, target.moving_mean, target.moving_variance)
    for vector, values in zip(vectors, source.weights_of(origin), strict=True):
        whole = np.array(vector)
        part = whole[start : start + target.widths[index]]  # a view
        part[positions] = np.asarray(values)
        vector.assign(whole)


def _copy_input(source, target, before: str, task: str) -> None:
    old, new = (
        network.get_layer(f"{name}_input_conv")
        for network, name in ((source, before), (target, task))
    )
    if old.kernel.shape == new.kernel.shape:
        new.set_weights(old.get_weights())
