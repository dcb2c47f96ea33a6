"""The layer set of one network that stands alone, and the input layer of a task."""

import dataclasses

import keras

from dvn_tf.entry_groups import Groups, as_groups, entry_name
from dvn_tf.networks.layer_sets import Features, TensorLayers, at_least_single, decay
from dvn_tf.networks.padding import SYMMETRIC, stock_convolution
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, Units


class PlainLayers(TensorLayers):
    """Stock Keras layers at the widths of some units.

    Layers have the names that `VirtualLayers` gives them, so that weights are copied by name.
    Where units are in several groups, each group has layers of its own, see `entry_name`.

    Args:
        partition: the channel fractions of the units.
        units: the units whose channels the network has, or their groups, see
            `dvn_tf.entry_groups`.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        padding: see `dvn_tf.networks.padding`.
    """

    def __init__(
        self,
        partition: UnitPartition,
        units: Units | Groups,
        weight_decay: float,
        policy,
        padding: str = SYMMETRIC,
    ):
        self.groups = as_groups(units)
        owners = [0] * len(self.groups)
        super().__init__(partition, list(self.groups), weight_decay, policy, padding, owners)

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """A `Conv2D` with as many filters as the units have channels, for each group."""
        tensors, _ = self._read(x)
        tensors = [
            stock_convolution(
                tensor,
                self.partition.width(width, units),
                kernel_size,
                stride,
                self.padding,
                policy=self.policy,
                use_bias=self.has_bias(name),
                kernel_regularizer=decay(self.weight_decay),
                name=entry_name(name, number, self.groups),
            )
            for number, (tensor, units) in enumerate(zip(tensors, self.groups, strict=True))
        ]
        return Features(tensors, (width,), partitioned=True)

    def has_bias(self, conv: str) -> bool:
        """Whether a convolution has a bias: none has, batch normalization has an offset."""
        return False

    def norm(self, x: Features, *, name) -> Features:
        """A `BatchNormalization` with the settings of `SwitchableBatchNormalization`."""
        groups = self.groups if x.partitioned else [None]
        tensors = [
            keras.layers.BatchNormalization(
                momentum=0.9,
                epsilon=1e-5,
                dtype=self.policy,
                name=entry_name(name, number, groups),
            )(tensor)
            for number, tensor in enumerate(x.tensors)
        ]
        return dataclasses.replace(x, tensors=tensors)

    def pool(self, x: Features) -> Features:
        """See `LayerSet.pool`; the groups one after another, in order of entry."""
        pooled = super().pool(x)
        if len(pooled.tensors) == 1:
            return pooled
        return dataclasses.replace(pooled, tensors=[keras.ops.concatenate(pooled.tensors, axis=1)])


def input_layer(
    image,
    task: TaskInfo,
    width: int,
    stride: int,
    weight_decay: float,
    policy,
    use_bias: bool = False,
    padding: str = SYMMETRIC,
):
    """A task's own input layer (section 4.2): normalization of the pixels and a convolution.

    It is not partitioned, and the paper does not count its parameters.

    Args:
        image: (batch, height, width, channels), pixel values 0..255.
        task: the task; gives mean and standard deviation of the pixels.
        width: output channels.
        stride: in pixels; brings the images of all tasks to maps of one size.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        use_bias: whether the convolution has a bias.
        padding: see `dvn_tf.networks.padding`.

    Returns:
        (batch, height / stride, width / stride, `width`), rounded up.
    """
    channels = task.image_shape[-1]
    mean, std = (list(v) * (channels // len(v)) for v in (task.mean, task.std))
    image = keras.layers.Normalization(
        mean=mean,
        variance=[s * s for s in std],
        dtype=at_least_single(policy),
        name=f"{task.name}_normalize",
    )(image)
    return stock_convolution(
        image,
        width,
        3,
        stride,
        padding,
        policy=policy,
        use_bias=use_bias,
        kernel_regularizer=decay(weight_decay),
        name=f"{task.name}_input_conv",
    )
