"""The sizes of a network's outputs, as progress tables and TensorBoard name them.

The comparison uses this without Keras: networks are imported where needed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dvn_tf.tasks import size_name
from dvn_tf.units import UnitPartition

if TYPE_CHECKING:
    from dvn_tf.networks.backbones import Backbone
    from dvn_tf.networks.network import DeepVirtualNetwork


def output_densities(network: "DeepVirtualNetwork", backbone: "Backbone") -> dict[str, float]:
    """The density of every output: its share of a scenario's whole backbone.

    Args:
        network: a network of any method.
        backbone: the scenario's; the network may have another.

    Returns:
        {"task/level1": share of the parameters in the paper's count (section 4.2), ...}.
    """
    from dvn_tf.networks.accounting import cost

    costs = network.costs()
    return {
        name: costs[name].parameters_paper
        / cost(task, backbone, UnitPartition.even(1), (1,)).parameters_paper
        for name, (task, _, _) in network.virtual_networks.items()
    }


def size_names(densities: Mapping[str, float]) -> dict[str, tuple[str, str]]:
    """The task and the size of every output, {"task/level1": ("task", "25 %"), ...}.

    Two outputs of a task can have one size, since consecutive levels may be equal (Eq. 4) and
    names are rounded. They are told apart by their level: "full (level 2)".

    Args:
        densities: the density of every output, by its name.
    """
    named = {}
    for name, density in densities.items():
        task, level = name.rsplit("/level", 1)
        named[name] = (task, size_name(density), level)
    places = [(task, size) for task, size, _ in named.values()]
    return {
        name: (task, size if places.count((task, size)) == 1 else f"{size} (level {level})")
        for name, (task, size, level) in named.items()
    }


def averages(
    accuracies: Mapping[str, float], densities: Mapping[str, float], num_tasks: int
) -> dict[str, float]:
    """The mean accuracy over all tasks, by size.

    Args:
        accuracies: of outputs, by their names.
        densities: of at least these outputs.
        num_tasks: the number of tasks of the scenario.

    Returns:
        {size: mean} for every size that all tasks have, and as "largest" the mean over each
        task's largest output. Empty while a task has no accuracy.
    """
    sizes = size_names(densities)
    by_task: dict[str, dict[str, float]] = {}
    for name in sorted(accuracies, key=densities.get):
        task, size = sizes[name]
        by_task.setdefault(task, {})[size] = accuracies[name]
    if len(by_task) < num_tasks:
        return {}
    tasks = list(by_task.values())
    shared = [size for size in tasks[0] if all(size in task for task in tasks)]
    means = {size: sum(task[size] for task in tasks) / num_tasks for size in shared}
    return means | {"largest": sum(list(task.values())[-1] for task in tasks) / num_tasks}
