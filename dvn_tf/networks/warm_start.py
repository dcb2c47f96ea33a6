"""Carrying weights from one deep virtual network into another, unit by unit.

A sequence of tasks starts each network from the one before (section 3.3), which holds fewer
units or other tasks. What both have in common is copied; the rest is left as it was.
"""

import numpy as np

from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.tasks import TaskInfo, head_name
from dvn_tf.units import UnitPartition, Units


def transfer(source: DeepVirtualNetwork, target: DeepVirtualNetwork, adopt: bool = True) -> None:
    """Copies weights into a network of the same backbone and partition.

    Kernels: the block of all units that both networks hold. Normalization and heads of each
    (task, level): from the source's virtual network of that task with most units in common,
    none that the target's lacks; input layers: by task.

    Args:
        source: the network to copy from; it stays as it is.
        target: the network to copy into.
        adopt: whether a task that the source does not know starts from its last task: input
            layer, where images have one shape, and normalization, not the head.
    """
    for layer in target.layers:
        if isinstance(layer, UnitConv2D):
            _copy_kernel(source.get_layer(layer.name), layer)
    old, new = _streams(source), _streams(target)
    pairs = {
        stream: _nearest(
            old, task if task in source.tasks_by_name else source.tasks[-1].name, units
        )
        for stream, (task, _, units) in enumerate(new)
        if adopt or task in source.tasks_by_name
    }
    for name, (width, cut) in target.norms.items():
        for stream, origin in pairs.items():
            if origin is not None:
                _copy_normalization(source, target, name, width, cut, origin, stream)
    for stream, origin in pairs.items():
        if origin is None:
            continue
        (before, level_before, units_before), (task, level, units) = old[origin], new[stream]
        _copy_input(source, target, before, task)
        if before == task:
            rows = _positions(target.partition, target.backbone.widths[-1], units, units_before)
            heads = head_name(before, level_before), head_name(task, level)
            _copy_head(source, target, *heads, rows, target.tasks_by_name[task])


def _streams(network: DeepVirtualNetwork) -> list[tuple[str, int, Units]]:
    return [(task.name, level, units) for task, level, units in network.virtual_networks.values()]


def _nearest(streams, task: str, units: Units) -> int | None:
    """The task's stream with most of the units and no other unit; None where there is none."""
    inside = [
        (len(used), number)
        for number, (name, _, used) in enumerate(streams)
        if name == task and set(used) <= set(units)
    ]
    return max(inside)[1] if inside else None


def _positions(partition: UnitPartition, width: int, units: Units, chosen: Units) -> np.ndarray:
    """Where the channels of some chosen units lie among those of `units`, in a layer's width."""
    positions, start = [], 0
    for unit in sorted(units):
        stop = start + partition.width(width, (unit,))
        if unit in chosen:
            positions.extend(range(start, stop))
        start = stop
    return np.array(positions, int)


def _copy_kernel(source: UnitConv2D, target: UnitConv2D) -> None:
    held = [
        set(conv.stored_units or range(1, conv.partition.num_units + 1))
        for conv in (source, target)
    ]
    common = tuple(sorted(held[0] & held[1]))
    if not common:
        return
    in_units = common if target.partitioned_input else None
    kernel = np.array(target.kernel)
    rows, columns = (_flat(intervals) for intervals in target.blocks(in_units, common))
    kernel[:, :, rows[:, None], columns] = np.asarray(source.sub_kernel(in_units, common))
    target.kernel.assign(kernel)


def _flat(intervals) -> np.ndarray:
    return np.concatenate([np.arange(start, stop) for start, stop in intervals])


def _copy_normalization(source, target, name, width, cut, origin: int, stream: int) -> None:
    layer: SwitchableBatchNormalization = target.get_layer(name)
    positions = slice(None)
    if cut:
        units, units_before = _streams(target)[stream][2], _streams(source)[origin][2]
        positions = _positions(target.partition, width, units, units_before)
    start = sum(layer.widths[:stream])
    vectors = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    for vector, values in zip(vectors, source.get_layer(name).weights_of(origin), strict=True):
        whole = np.array(vector)
        part = whole[start : start + layer.widths[stream]]  # a view
        part[positions] = np.asarray(values)
        vector.assign(whole)


def _copy_input(source, target, before: str, task: str) -> None:
    old, new = (
        network.get_layer(f"{name}_input_conv")
        for network, name in ((source, before), (target, task))
    )
    if old.kernel.shape == new.kernel.shape:
        new.set_weights(old.get_weights())


def _copy_head(source, target, before: str, head: str, rows, task: TaskInfo) -> None:
    # Only the first layer of a head reads channels of units; any after it are copied whole.
    added = range(1, len(task.head_layers) + 1)
    suffixes = [s for n in added for s in (f"_added{n}", f"_scale{n}")] + [""]
    first, *others = suffixes
    old, new = source.get_layer(before + first), target.get_layer(head + first)
    kernel = np.array(new.kernel)
    kernel[rows] = np.asarray(old.kernel)
    new.set_weights([kernel, *old.get_weights()[1:]])
    for suffix in others:
        target.get_layer(head + suffix).set_weights(source.get_layer(before + suffix).get_weights())
