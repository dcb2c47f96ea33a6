"""What a virtual network costs: parameters, weight bytes and multiply-adds, without building it.

The backbone is run on `CountingLayers`, which tally instead of computing. Two counts of
parameters are always given: the paper's (the convolutions after the input layer, section 4.2)
and everything that inference needs.
"""

import dataclasses
import itertools
import math

from dvn_tf.networks.backbones import Backbone
from dvn_tf.tasks import TaskInfo, input_strides, output_name
from dvn_tf.units import UnitPartition, Units, UnitTable

BYTES_PER_PARAMETER = 4  # float32


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of one virtual network, or of the whole network.

    Attributes:
        parameters_paper: weights of the convolutions after the input layer, which is what the
            paper counts: no input layer, no batch normalization, no head.
        parameters: all that inference needs: input layer, convolutions, batch normalization
            (scale, offset and the two moving statistics) and head.
        multiply_adds: of the convolutions, input layer included, and the head, for one image.
        density: `parameters_paper` over that of the whole network.
    """

    parameters_paper: int
    parameters: int
    multiply_adds: int
    density: float = 1.0

    @property
    def bytes(self) -> int:
        """Bytes of the float32 weights that `parameters` counts."""
        return self.parameters * BYTES_PER_PARAMETER


@dataclasses.dataclass
class _Maps:
    """The shape of one network's feature maps, in place of the maps themselves."""

    height: int
    width_px: int
    channels: int
    width: int  # channels of the whole network, all units together

    @property
    def positions(self) -> int:
        return self.height * self.width_px


class CountingLayers:
    """The layers a backbone is handed to count what it would build at the widths of some units.

    Args:
        partition: the channel fractions of the units.
        units: the units of the network to count.
    """

    def __init__(self, partition: UnitPartition, units: Units):
        self.partition = partition
        self.units = units
        self.kernels = 0
        self.norms = 0
        self.multiply_adds = 0

    def conv(self, x: _Maps, width: int, kernel_size: int, stride: int, *, name) -> _Maps:
        """Counts a convolution with "same" padding and no bias."""
        y = self.shortcut(x, width, stride)
        weights = kernel_size**2 * x.channels * y.channels
        self.kernels += weights
        self.multiply_adds += weights * y.positions
        return y

    def norm(self, x: _Maps, *, name) -> _Maps:
        """Counts scale, offset, moving mean and moving variance."""
        self.norms += 4 * x.channels
        return x

    def relu(self, x: _Maps) -> _Maps:
        """Costs nothing that is counted."""
        return x

    def add(self, x: _Maps, y: _Maps) -> _Maps:
        """Costs nothing that is counted."""
        return y

    def pool(self, x: _Maps) -> _Maps:
        """Costs nothing that is counted."""
        return x

    def shortcut(self, x: _Maps, width: int, stride: int) -> _Maps:
        """No parameters; the shape after it is the units' share of `width`."""
        return _Maps(
            math.ceil(x.height / stride),
            math.ceil(x.width_px / stride),
            self.partition.width(width, self.units),
            width,
        )


def cost(
    task: TaskInfo,
    backbone: Backbone,
    partition: UnitPartition,
    units: Units,
    stride: int | None = None,
) -> Cost:
    """The cost of the network at the widths of some units, for one task.

    Args:
        task: gives the image shape and the number of classes.
        backbone: the backbone.
        partition: the channel fractions of the units.
        units: the units in use.
        stride: of the input layer in pixels; None is that of the task alone.
    """
    layers = CountingLayers(partition, units)
    stride = stride or input_strides([task])[0]
    height, width, channels = task.image_shape
    stem = _Maps(
        math.ceil(height / stride),
        math.ceil(width / stride),
        backbone.input_width,
        backbone.input_width,
    )
    features = backbone(stem, layers)
    input_layer = 3 * 3 * channels * backbone.input_width
    # Weights and offset of each fully connected layer; those added before the last (DA-CNN) are
    # followed by a learned scale.
    widths = [features.channels, *task.head_layers, task.num_classes]
    dense = sum(low * high for low, high in itertools.pairwise(widths))
    head = dense + sum(widths[1:]) + sum(task.head_layers)
    everything = tuple(range(1, partition.num_units + 1))
    whole = 1.0
    if units != everything:
        whole = (
            layers.kernels / cost(task, backbone, partition, everything, stride).parameters_paper
        )
    return Cost(
        parameters_paper=layers.kernels,
        parameters=input_layer + layers.kernels + layers.norms + head,
        multiply_adds=input_layer * stem.positions + layers.multiply_adds + dense,
        density=whole,
    )


def costs(
    tasks,
    table: UnitTable,
    backbone: Backbone,
    partition: UnitPartition | None = None,
    map_size: int | None = None,
) -> dict[str, Cost]:
    """The cost of every virtual network: {"task/level1": cost, ...}.

    Args:
        tasks: the tasks in the order of the table's rows.
        table: which units each (task, level) uses.
        backbone: the backbone.
        partition: the channel fractions; None is an even cut.
        map_size: as for `DeepVirtualNetwork`.
    """
    partition = partition or UnitPartition.even(table.num_units)
    strides = input_strides(tasks, map_size)
    return {
        output_name(task.name, level): cost(
            task, backbone, partition, table.units(row, level), strides[row - 1]
        )
        for row, task in enumerate(tasks, start=1)
        for level in range(1, table.num_levels + 1)
    }
