"""One virtual network taken out of a deep virtual network, as a model of stock Keras layers."""

from typing import TYPE_CHECKING

import keras

from dvn_tf.entry_groups import as_groups, entry_name, read_order
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import head_name

if TYPE_CHECKING:
    from dvn_tf.networks.network import DeepVirtualNetwork


def extract(network: "DeepVirtualNetwork", name: str) -> keras.Model:
    """A virtual network as a plain model that has copies of its weights alone.

    Args:
        network: the network.
        name: of the virtual network, such as "cifar10/level1".
    """
    task, level, _ = network.virtual_networks[name]
    plain = plain_network(
        task,
        network.backbone,
        network.partition,
        network.layer_units(name),
        stride=network.input_stride(task),
        weight_decay=network.weight_decay,
        dtype=network.policy,
        head=network.heads[task.name],
        head_name=head_name(task.name, level),
        name=f"{task.name}_level{level}",
        padding=network.padding,
    )
    for layer, weights in _weights_of(network, name).items():
        plain.get_layer(layer).set_weights(weights)
    return plain


def _weights_of(network: "DeepVirtualNetwork", name: str) -> dict[str, list]:
    """{layer of the plain model: the weights that the virtual network uses}."""
    task, level, _ = network.virtual_networks[name]
    groups, streams = as_groups(network.layer_units(name)), network.streams_of(name)
    own = {f"{task.name}_normalize", f"{task.name}_input_conv"}
    own.update(network.heads[task.name].layer_names(head_name(task.name, level)))
    weights = {}
    for layer in network.layers:
        if isinstance(layer, UnitConv2D):
            for number, group in enumerate(groups):
                read = read_order(groups[: number + 1]) if layer.partitioned_input else None
                kernel = layer.sub_kernel(read, group)
                weights[entry_name(layer.name, number, groups)] = [kernel]
        elif isinstance(layer, SwitchableBatchNormalization):
            _, partitioned = network.norms[layer.name]
            if not partitioned:
                weights[layer.name] = list(layer.weights_of(network.owners[streams[0]]))
                continue
            for number, stream in enumerate(streams):
                vectors = list(layer.weights_of(stream))
                weights[entry_name(layer.name, number, groups)] = vectors
        elif layer.name in own and layer.weights:
            weights[layer.name] = layer.get_weights()
    return weights
