"""What a virtual network costs: parameters, weight bytes and multiply-adds, without building it.

The backbone is run on `CountingLayers`, which count instead of computing. There are always two
counts of parameters: the paper's (the convolutions after the input layer, section 4.2) and
everything that inference needs.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from dvn_tf.entry_groups import Groups, all_units, as_groups, entry_groups
from dvn_tf.networks.backbones import Backbone
from dvn_tf.networks.heads import Head
from dvn_tf.networks.layer_sets import LayerSet, check_shortcut
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


@dataclasses.dataclass(frozen=True)
class Maps:
    """The shape of one virtual network's feature maps, in place of the maps themselves.

    Args:
        height: in pixels.
        width_px: their width in pixels.
        channels: of the virtual network.
        widths: channels of the whole network, as `Features.widths`.
        partitioned: as `Features.partitioned`.
    """

    height: int
    width_px: int
    channels: int
    widths: tuple[int, ...]
    partitioned: bool = True

    @property
    def width(self) -> int:
        """Channels of the whole network."""
        return sum(self.widths)

    @property
    def positions(self) -> int:
        """Pixels of a map."""
        return self.height * self.width_px


class CountingLayers(LayerSet[Maps]):
    """Layers that count what a backbone would build at the widths of some units.

    Args:
        partition: the channel fractions of the units.
        units: the units of the network to count, or their groups, see `dvn_tf.entry_groups`.
    """

    def __init__(self, partition: UnitPartition, units: Units | Groups):
        self.partition = partition
        self.groups = as_groups(units)
        self.units = all_units(units)
        self.kernels = 0
        self.norms = 0
        self.multiply_adds = 0

    def conv(self, x: Maps, width: int, kernel_size: int, stride: int, *, name) -> Maps:
        """Counts the weights of the kernel, and a multiply-add for each at each position."""
        y = self._maps(x, stride, (width,))
        weights = kernel_size**2 * sum(
            self._channels_read(x, number) * self.partition.width(width, group)
            for number, group in enumerate(self.groups)
        )
        self.kernels += weights
        self.multiply_adds += weights * y.positions
        return y

    def norm(self, x: Maps, *, name) -> Maps:
        """Counts scale, offset, moving mean and moving variance."""
        self.norms += 4 * x.channels
        return x

    def relu(self, x: Maps) -> Maps:
        """Costs nothing that is counted."""
        return x

    def add(self, x: Maps, y: Maps) -> Maps:
        """Costs nothing that is counted."""
        return y

    def concatenate(self, x: Maps, y: Maps) -> Maps:
        """Costs nothing that is counted."""
        return self._maps(x, 1, x.widths + y.widths)

    def shortcut(self, x: Maps, width: int, stride: int) -> Maps:
        """Costs nothing that is counted."""
        check_shortcut(x.widths)
        return self._maps(x, stride, (width,))

    def max_pool(self, x: Maps, size: int) -> Maps:
        """Costs nothing that is counted."""
        maps = self._maps(x, size, x.widths)
        return dataclasses.replace(maps, channels=x.channels, partitioned=x.partitioned)

    def pool(self, x: Maps) -> Maps:
        """Costs nothing that is counted."""
        return x

    def _channels_read(self, x: Maps, number: int) -> int:
        """The channels that a convolution of a group reads: its own and those before."""
        if not x.partitioned or number == len(self.groups) - 1:
            return x.channels
        return self.partition.width(x.widths, all_units(self.groups[: number + 1]))

    def _maps(self, x: Maps, stride: int, widths: tuple[int, ...]) -> Maps:
        return Maps(
            math.ceil(x.height / stride),
            math.ceil(x.width_px / stride),
            self.partition.width(widths, self.units),
            widths,
        )


def cost(
    task: TaskInfo,
    backbone: Backbone,
    partition: UnitPartition,
    units: Units | Groups,
    stride: int | None = None,
    head: Head | None = None,
) -> Cost:
    """The cost of the network at the widths of some units, for one task.

    Args:
        task: gives the image shape and the number of classes.
        backbone: the backbone.
        partition: the channel fractions of the units.
        units: the units in use, or their groups, see `dvn_tf.entry_groups`.
        stride: of the input layer in pixels; None is that of the task alone.
        head: the head; None is one fully connected layer.
    """
    layers = CountingLayers(partition, units)
    stride = stride or input_strides([task])[0]
    height, width, channels = task.image_shape
    stem = Maps(
        math.ceil(height / stride),
        math.ceil(width / stride),
        backbone.input_width,
        (backbone.input_width,),
        partitioned=False,
    )
    features = backbone(stem, layers)
    input_layer = 3 * 3 * channels * backbone.input_width
    head_parameters, head_multiply_adds = (head or Head()).cost(features.channels, task.num_classes)
    everything = tuple(range(1, partition.num_units + 1))
    density = 1.0
    if as_groups(units) != (everything,):
        whole = CountingLayers(partition, everything)
        backbone(stem, whole)
        density = layers.kernels / whole.kernels
    return Cost(
        parameters_paper=layers.kernels,
        parameters=input_layer + layers.kernels + layers.norms + head_parameters,
        multiply_adds=input_layer * stem.positions + layers.multiply_adds + head_multiply_adds,
        density=density,
    )


def costs(
    tasks: Sequence[TaskInfo],
    table: UnitTable,
    backbone: Backbone,
    partition: UnitPartition | None = None,
    map_size: int | None = None,
    heads: Mapping[str, Head] | None = None,
    causal: bool = False,
) -> dict[str, Cost]:
    """The cost of every virtual network: {"task/level1": cost, ...}.

    Args:
        tasks: the tasks in the order of the table's rows.
        table: which units each (task, level) uses.
        backbone: the backbone.
        partition: the channel fractions; None divides evenly.
        map_size: as for `DeepVirtualNetwork`.
        heads: as for `DeepVirtualNetwork`.
        causal: as for `DeepVirtualNetwork`.
    """
    partition = partition or UnitPartition.even(table.num_units)
    strides = input_strides(tasks, map_size)
    return {
        output_name(task.name, level): cost(
            task,
            backbone,
            partition,
            entry_groups(table, row, level) if causal else table.units(row, level),
            strides[row - 1],
            (heads or {}).get(task.name),
        )
        for row, task in enumerate(tasks, start=1)
        for level in range(1, table.num_levels + 1)
    }
