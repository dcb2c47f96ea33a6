"""What the training of a stage computes: multiply-adds, counted and not measured."""

from dvn_tf.methods import Stage
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import output_name
from dvn_tf.training.schema import PASSES


def stage_multiply_adds(
    stage: Stage, network: DeepVirtualNetwork, images: int, teacher: DeepVirtualNetwork | None
) -> int:
    """The multiply-adds of a stage's training, without evaluations.

    An image takes three forward passes' worth in each virtual network that learns from it, and one
    where nothing but the head is trained. Images of the new task pass through all virtual networks
    of a network that distils, and through its teacher.

    Args:
        stage: the stage.
        network: its network.
        images: how many images of each task the whole stage shows; an image counts once an epoch.
        teacher: the teacher's network.
    """
    costs = {name: cost.multiply_adds for name, cost in network.costs().items()}
    if stage.causal:
        costs = _one_pass_a_task(network, costs)
    highest, learning = network.table.num_levels, stage.learning
    one_image = 0.0
    for name, (_, level, _) in network.virtual_networks.items():
        lower = learning.lower_batches == "share" and level < highest
        in_part = lower or learning.level_steps == "one"
        one_image += costs[name] / highest if in_part else costs[name]
    passes = 1 if stage.heads_only else PASSES
    total = passes * one_image
    if teacher is not None:
        total += sum(cost.multiply_adds for cost in teacher.costs().values())
    return round(images * total)


def _one_pass_a_task(network: DeepVirtualNetwork, costs: dict[str, int]) -> dict[str, int]:
    """The costs where lower levels are parts of the highest and add nothing but their heads."""
    heads = {}
    for name, (task, _, units) in network.virtual_networks.items():
        channels = network.partition.width(network.feature_widths, units)
        heads[name] = network.heads[task.name].cost(channels, task.num_classes)[1]
    highest = {output_name(task.name, network.table.num_levels) for task in network.tasks}
    return {name: costs[name] if name in highest else heads[name] for name in costs}
