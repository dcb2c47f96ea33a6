"""Which virtual networks of a network are exported."""

from collections.abc import Iterable

from dvn_tf.errors import UserError
from dvn_tf.networks.network import DeepVirtualNetwork


def select_networks(network: DeepVirtualNetwork, task: str | None, level: int | None) -> list[str]:
    """Selects the virtual networks of a task, of a level, or all.

    Args:
        network: the network.
        task: one task's name; None selects all tasks.
        level: one level, from 1; None selects all levels.

    Returns:
        Names such as "cifar10/level1", in the network's order.

    Raises:
        UserError: if the network has no such task or level.
    """
    tasks = [info.name for info in network.tasks]
    if task not in (None, *tasks):
        raise UserError(f"there is no task {task!r}: the run has {', '.join(tasks)}")
    levels = network.table.num_levels
    if level is not None and not 1 <= level <= levels:
        raise UserError(f"there is no level {level}: the run has levels 1 to {levels}")
    return [
        name
        for name, (info, number, _) in network.virtual_networks.items()
        if task in (None, info.name) and level in (None, number)
    ]


def select_bundle(network: DeepVirtualNetwork, names: Iterable[str]) -> list[str]:
    """Selects the virtual networks of a bundle.

    Args:
        network: the network.
        names: such as ["cifar10/level1", "cifar100/level2"], or ["all"].

    Returns:
        The names, in the network's order.

    Raises:
        UserError: if there is no name, or the network has no such virtual network.
    """
    names, outputs = set(names), list(network.virtual_networks)
    if names == {"all"}:
        return outputs
    unknown = sorted(names - set(outputs))
    if unknown or not names:
        raise UserError(
            f"there is no virtual network {(unknown or [''])[0]!r} to bundle: choose from "
            f"{', '.join(outputs)}, or give 'all'"
        )
    return [name for name in outputs if name in names]
