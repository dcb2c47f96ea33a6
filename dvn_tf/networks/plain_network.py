"""One network of stock Keras layers: a baseline, or a virtual network that stands alone."""

import keras

from dvn_tf.entry_groups import Groups
from dvn_tf.networks.backbones import Backbone
from dvn_tf.networks.heads import Head
from dvn_tf.networks.layer_sets import Features
from dvn_tf.networks.padding import SYMMETRIC
from dvn_tf.networks.plain_layers import PlainLayers, input_layer
from dvn_tf.tasks import TaskInfo, input_strides
from dvn_tf.units import UnitPartition, Units


def plain_network(
    task: TaskInfo,
    backbone: Backbone,
    partition: UnitPartition | None = None,
    units: Units | Groups | None = None,
    stride: int | None = None,
    weight_decay: float = 0.0,
    dtype: str | keras.DTypePolicy | None = None,
    head: Head | None = None,
    head_name: str = "head",
    name: str | None = None,
    padding: str = SYMMETRIC,
) -> keras.Model:
    """A network of stock Keras layers: a whole backbone, or one at the widths of some units.

    Args:
        task: gives the input, its normalization and the number of classes.
        backbone: as for `DeepVirtualNetwork`.
        partition: the channel fractions of the units; None is a single unit.
        units: the units whose channels the network has, or their groups, see
            `dvn_tf.entry_groups`; None means all channels.
        stride: of the input layer in pixels; None brings the maps to at most 32 pixels.
        weight_decay: as for `DeepVirtualNetwork`.
        dtype: a Keras dtype policy.
        head: what turns features into logits; None is one fully connected layer.
        head_name: name of the last layer.
        name: of the model.
        padding: see `dvn_tf.networks.padding`.

    Returns:
        A functional model from images (batch, height, width, channels) to logits.
    """
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    partition = partition or UnitPartition.even(1)
    units = units or tuple(range(1, partition.num_units + 1))
    layers = PlainLayers(partition, units, weight_decay, policy, padding)
    image = keras.Input(task.image_shape, name=task.name)
    stride = stride or input_strides([task])[0]
    stem = input_layer(
        image, task, backbone.input_width, stride, weight_decay, policy, padding=padding
    )
    [feature] = backbone(Features([stem], (backbone.input_width,)), layers).tensors
    logits = (head or Head()).build(
        feature, task.num_classes, name=head_name, weight_decay=weight_decay, policy=policy
    )
    model = keras.Model(image, logits, name=name)
    model.dtype_policy = policy  # Keras scales the loss of models whose own policy is float16
    return model
