"""The layers that a backbone is handed: for all virtual networks at once, or for one alone.

`VirtualLayers` builds the streams of a `DeepVirtualNetwork` on shared kernels, `PlainLayers`
one network of stock Keras layers at the widths of some units. Layers of the same name
correspond, which is how `DeepVirtualNetwork.extract` copies weights from one to the other.
"""

import dataclasses

import keras

from dvn_tf.networks.convolution import UnitConv2D, take_channels
from dvn_tf.networks.normalization import SwitchableBatchNormalization
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, Units


@dataclasses.dataclass(frozen=True)
class Features:
    """Feature maps between two layers of a backbone.

    Args:
        tensors: for each stream its tensor (batch, height, width, the stream's channels).
        width: channels of the whole network here, all units together.
        cut: whether a stream holds just its units' channels; an input layer's output is whole.
    """

    tensors: list
    width: int
    partitioned: bool = False


class _StreamLayers:
    """What both kinds of layers share: everything without weights, stream by stream."""

    def __init__(self, partition: UnitPartition, units: list[Units], weight_decay: float, policy):
        self.partition = partition
        self.units = units
        self.weight_decay = weight_decay
        self.policy = policy

    def relu(self, x: Features) -> Features:
        """Rectifies."""
        return dataclasses.replace(x, tensors=[keras.ops.relu(t) for t in x.tensors])

    def add(self, x: Features, y: Features) -> Features:
        """Adds two features of the same shape."""
        tensors = [keras.ops.add(a, b) for a, b in zip(x.tensors, y.tensors, strict=True)]
        return dataclasses.replace(y, tensors=tensors)

    def pool(self, x: Features) -> Features:
        """Averages over all positions: (batch, channels)."""
        pool = keras.layers.GlobalAveragePooling2D(dtype=self.policy)
        return dataclasses.replace(x, tensors=[pool(t) for t in x.tensors])

    def shortcut(self, x: Features, width: int, stride: int) -> Features:
        """The parameter-free shortcut (He et al., option A): subsample, then pad with zeros.

        The padding is inside each unit, so that units stay disjoint; from an input layer, which
        is not cut, a stream takes its own units' channels.
        """
        tensors = x.tensors
        if stride > 1:
            subsample = keras.layers.MaxPooling2D(1, stride, dtype=self.policy)
            tensors = [subsample(t) for t in tensors]
        if not x.partitioned:
            tensors = [
                take_channels(t, self.partition.intervals(x.width, units), axis=3)
                for t, units in zip(tensors, self.units, strict=True)
            ]
        if width != x.width:
            tensors = [
                self._pad_units(t, units, x.width, width)
                for t, units in zip(tensors, self.units, strict=True)
            ]
        return Features(tensors, width, partitioned=True)

    def _pad_units(self, tensor, units: Units, old_width: int, new_width: int):
        parts, start = [], 0
        for unit in units:
            old = self.partition.width(old_width, (unit,))
            new = self.partition.width(new_width, (unit,))
            part = take_channels(tensor, ((start, start + old),), axis=3)
            parts.append(keras.ops.pad(part, ((0, 0), (0, 0), (0, 0), (0, new - old))))
            start += old
        return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, axis=3)

    def head(self, feature, task: TaskInfo, name: str):
        """The fully connected layer of one (task, level), section 4.2: logits, never in half.

        Before it come the layers that DA-CNN adds: each fully connected, then normalized and
        multiplied by a learned scale (Wang et al., "Growing a brain", CVPR 2017, section 3.3).
        """
        dtype = _at_least_single(self.policy)
        settings = {"kernel_regularizer": decay(self.weight_decay), "dtype": dtype}
        for number, width in enumerate(task.head_layers, start=1):
            layer = keras.layers.Dense(
                width, activation="relu", name=f"{name}_added{number}", **settings
            )
            scale = keras.layers.RMSNormalization(dtype=dtype, name=f"{name}_scale{number}")
            feature = scale(layer(feature))
        return keras.layers.Dense(task.num_classes, name=name, **settings)(feature)


class VirtualLayers(_StreamLayers):
    """Layers of all k x n_h streams together; a stream is one virtual network's activation.

    Args:
        partition: the channel fractions of the units.
        units: for each stream the units it uses.
        weight_decay: see `UnitConv2D`.
        policy: the Keras dtype policy.
        frozen_units: see `UnitConv2D`.
    """

    def __init__(
        self,
        partition: UnitPartition,
        units: list[Units],
        weight_decay: float,
        policy,
        frozen_units: Units = (),
    ):
        super().__init__(partition, units, weight_decay, policy)
        self.frozen_units = frozen_units
        self.stored_units = tuple(sorted({unit for used in units for unit in used}))
        self.norms: dict[
            str, tuple[int, bool]
        ] = {}  # of each normalization, x.width and x.partitioned

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """One shared kernel, of which each stream uses its units' block."""
        layer = UnitConv2D(
            width,
            kernel_size,
            stride,
            fractions=self.partition.fractions,
            in_channels=x.width,
            weight_decay=self.weight_decay,
            stored_units=self.stored_units,
            frozen_units=self.frozen_units,
            partitioned_input=x.partitioned,
            dtype=self.policy,
            name=name,
        )
        in_units = self.units if x.partitioned else [None] * len(self.units)
        tensors = layer(x.tensors, in_units=in_units, out_units=self.units)
        return Features(tensors, width, partitioned=True)

    def norm(self, x: Features, *, name) -> Features:
        """Batch normalization, one for each stream."""
        self.norms[name] = (x.width, x.partitioned)
        widths = [tensor.shape[-1] for tensor in x.tensors]
        layer = SwitchableBatchNormalization(widths, dtype=self.policy, name=name)
        return dataclasses.replace(x, tensors=layer(x.tensors))


class PlainLayers(_StreamLayers):
    """Stock Keras layers at the widths of some units: a network that stands alone.

    Args:
        partition: the channel fractions of the units.
        units: the units whose channels the network has.
        weight_decay: as everywhere.
        policy: the Keras dtype policy.
    """

    def __init__(self, partition: UnitPartition, units: Units, weight_decay: float, policy):
        super().__init__(partition, [units], weight_decay, policy)

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """A `Conv2D` of as many filters as the units have channels."""
        [units] = self.units
        layer = keras.layers.Conv2D(
            self.partition.width(width, units),
            kernel_size,
            stride,
            padding="same",
            use_bias=self.has_bias(name),
            kernel_regularizer=decay(self.weight_decay),
            dtype=self.policy,
            name=name,
        )
        return Features([layer(x.tensors[0])], width, partitioned=True)

    def has_bias(self, conv: str) -> bool:
        """Whether a convolution has a bias: none has, where batch normalization has an offset."""
        return False

    def norm(self, x: Features, *, name) -> Features:
        """A `BatchNormalization` with the settings of `SwitchableBatchNormalization`."""
        layer = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=self.policy, name=name
        )
        return dataclasses.replace(x, tensors=[layer(x.tensors[0])])


def input_features(
    image,
    task: TaskInfo,
    width: int,
    stride: int,
    weight_decay: float,
    policy,
    use_bias: bool = False,
):
    """A task's own input layer: pixels 0..255 -> normalized -> (batch, map, map, width).

    Uncut, and of no virtual network's parameter count in the paper's way of counting.
    """
    channels = task.image_shape[-1]
    mean, std = (list(v) * (channels // len(v)) for v in (task.mean, task.std))
    image = keras.layers.Normalization(
        mean=mean,
        variance=[s * s for s in std],
        dtype=_at_least_single(policy),
        name=f"{task.name}_normalize",
    )(image)
    return keras.layers.Conv2D(
        width,
        3,
        stride,
        padding="same",
        use_bias=use_bias,
        kernel_regularizer=decay(weight_decay),
        dtype=policy,
        name=f"{task.name}_input_conv",
    )(image)


def _at_least_single(policy) -> str:
    """Single precision, or double where the network computes in double."""
    return keras.backend.result_type(keras.dtype_policies.get(policy).compute_dtype, "float32")


def decay(weight_decay: float):
    """L2 in the loss that equals a decay in the gradient: the derivative of d/2 w^2 is d w."""
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None
