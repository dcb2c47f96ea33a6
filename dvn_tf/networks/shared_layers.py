"""The layer set of virtual networks that are computed once more, on layers that are there."""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from dvn_tf.errors import UserError
from dvn_tf.networks.layer_sets import Features, TensorLayers
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo, head_name


class SharedLayers(TensorLayers):
    """Calls the layers of a deep virtual network for some of its virtual networks.

    Args:
        network: the network.
        numbers: the virtual networks to compute, by their positions in
            `network.virtual_networks`, from 0.
    """

    def __init__(self, network: DeepVirtualNetwork, numbers: Sequence[int]):
        units = [units for _, _, units in network.virtual_networks.values()]
        super().__init__(
            network.partition,
            [units[number] for number in numbers],
            network.weight_decay,
            network.policy,
            network.padding,
        )
        self.network = network
        self.numbers = None if len(numbers) == len(units) else tuple(numbers)  # None: all

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """The network's convolution of that name."""
        in_units = self.units if x.partitioned else [None] * len(self.units)
        layer = self.network.get_layer(name)
        tensors = layer(x.tensors, in_units=in_units, out_units=self.units)
        return Features(tensors, (width,), partitioned=True)

    def norm(self, x: Features, *, name) -> Features:
        """The network's normalization of that name."""
        layer = self.network.get_layer(name)
        return dataclasses.replace(x, tensors=layer(x.tensors, networks=self.numbers))


def shared_outputs(
    network: DeepVirtualNetwork,
    wanted: Sequence[str],
    between: Callable[[keras.KerasTensor, TaskInfo, int], keras.KerasTensor] | None = None,
) -> dict[str, keras.KerasTensor]:
    """Builds some outputs of a network anew, on its own inputs and layers.

    Args:
        network: the network. It stays as it is, but its layers are called once more.
        wanted: names of outputs.
        between: takes the output of an input layer (b, h, w, c), the task and the level, and
            gives what the level's first convolution reads; None changes nothing.

    Returns:
        {output: logits (b, classes)}, of which a `keras.Model` over `network.input` can be made.

    Raises:
        UserError: if its levels are unit-causal, and so have no layers of their own.
    """
    if network.causal:
        raise UserError(
            "the levels of a causal network are computed in one pass: train it without "
            "lower_batches and level_steps"
        )
    all_networks = network.virtual_networks
    numbers = [list(all_networks).index(name) for name in wanted]
    stems = []
    for name in wanted:
        task, level, _ = all_networks[name]
        stem = network.get_layer(f"{task.name}_input_conv").output
        stems.append(stem if between is None else between(stem, task, level))
    stem = Features(stems, (network.backbone.input_width,))
    features = network.backbone(stem, SharedLayers(network, numbers))
    return {
        name: _head(network, name)(feature)
        for name, feature in zip(wanted, features.tensors, strict=True)
    }


def _head(network: DeepVirtualNetwork, output: str) -> keras.Model:
    """All layers of a head: pooled features (b, c) to logits."""
    task, level, _ = network.virtual_networks[output]
    name = head_name(task.name, level)
    first, *_ = network.heads[task.name].layer_names(name)
    return keras.Model(network.get_layer(first).input, network.output[output], name=name)
