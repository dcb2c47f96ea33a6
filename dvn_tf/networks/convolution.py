"""The convolution that reads units: each virtual network uses a block of one shared kernel.

The layer serves all virtual networks in one call, so that those with the same units share one
slice of the kernel and of its gradient. Which units a virtual network uses is an argument, never
a state. Written against `keras.ops` alone.
"""

import collections
import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from dvn_tf.entry_groups import Groups, as_groups
from dvn_tf.networks.kernel_blocks import area, inside, locate, take_block
from dvn_tf.networks.mean_gradients import MEAN, SUM, count_uses, divide_gradient
from dvn_tf.networks.padding import SAME, SYMMETRIC, pad_and_convolve
from dvn_tf.units import Intervals, UnitPartition, Units, joined


@keras.saving.register_keras_serializable("dvn_tf")
class UnitConv2D(keras.layers.Layer):
    """A 2D convolution whose kernel is used by parts: the block [input units -> output units].

    The kernel is stored once for the whole network. A virtual network that uses the set of
    units A convolves with the sub-kernel A x A: the units' own blocks and the connections
    between them (footnote 4 of the paper). An interval of units is one plain slice.

    Args:
        filters: width of the layer, the output channels of all units together.
        kernel_size: side of the square kernel in pixels.
        strides: stride in pixels, both directions.
        fractions: channel fraction of each unit, see `UnitPartition`.
        in_channels: width of the input, all units together, or the widths of the layers whose
            concatenation it is; None takes that of the first input.
        weight_decay: the decay d of SGD as Torch counts it, added to the loss as d/2 * sum(w^2),
            once per weight however many virtual networks use it.
        stored_units: the units that the kernel stores, where the network does not have all of
            them yet (section 3.3: a sequence grows by one unit a task); None is all.
        frozen_units: units whose block takes no gradient and no decay: it stays the same, bit
            for bit, while connections from and to other units are trained (PackNet+).
        partitioned_input: whether the input is divided into units; that of an input layer is not.
        padding: see `dvn_tf.networks.padding`.
        merge_streams: whether inputs that meet the same block of the kernel are convolved in one
            call, side by side in one batch.
        gradients: "mean" divides the gradient of each connection of units by the number of
            virtual networks that use it; "sum" does not. The decay is never divided.

    Call arguments:
        inputs: for each virtual network (batch, height, width, channels of its input units).
        in_units: for each virtual network the units of its input, or groups of units whose
            channels lie side by side; None where the input is not partitioned, which is the
            output of an input layer.
        out_units: for each virtual network the units to compute.

    Returns:
        A list of tensors (batch, height / strides, width / strides, channels of out_units).

    Example:
        >>> conv = UnitConv2D(64, 3, fractions=(0.5, 0.5))
        >>> [y] = conv([keras.ops.ones((1, 8, 8, 16))], in_units=[None], out_units=[(1,)])
        >>> tuple(y.shape)
        (1, 8, 8, 32)

    Reference:
        Kim et al., "Deep Virtual Networks", CVPR 2019, sections 3.2 and 4.2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        fractions: Sequence[float] = (1.0,),
        in_channels: int | Sequence[int] | None = None,
        weight_decay: float = 0.0,
        stored_units: Units | None = None,
        frozen_units: Units = (),
        partitioned_input: bool = True,
        padding: str = SYMMETRIC,
        merge_streams: bool = False,
        gradients: str = SUM,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.fractions = tuple(fractions)
        single = in_channels is None or isinstance(in_channels, int)
        self.in_channels = in_channels if single else tuple(in_channels)
        self.weight_decay = weight_decay
        self.stored_units = _as_units(stored_units)
        self.frozen_units = tuple(frozen_units)
        self.partitioned_input = partitioned_input
        self.padding = padding
        self.merge_streams = merge_streams
        self.gradients = gradients
        self.partition = UnitPartition(self.fractions)
        self.partition.bounds(filters)

    def build(self, input_shape):
        # An input may hold only some units, so that the full input width must be given; where it
        # is not, the first input is taken to have all of it.
        if self.in_channels is None:
            self.in_channels = input_shape[0][-1]
        stored_in = self.stored_units if self.partitioned_input else None
        self.stored = (
            self.partition.intervals(self.in_channels, stored_in),
            self.partition.intervals(self.filters, self.stored_units),
        )
        # (size, size, channels of the stored input units, channels of the stored output units)
        rows, columns = (sum(b - a for a, b in intervals) for intervals in self.stored)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, rows, columns),
            initializer="glorot_uniform",  # "the Xavier method", section 4.2
            regularizer=self._decay if self.weight_decay else None,
        )

    def blocks(
        self, in_units: Units | Groups | None, out_units: Units
    ) -> tuple[Intervals, Intervals]:
        """The intervals of kernel rows (input) and columns (output channels) of some units."""
        rows, columns = self.stored
        groups = [None] if in_units is None else as_groups(in_units)
        read = (self.partition.intervals(self.in_channels, group) for group in groups)
        return (
            locate(joined(itertools.chain(*read)), rows),
            locate(self.partition.intervals(self.filters, out_units), columns),
        )

    def sub_kernel(self, in_units: Units | Groups | None, out_units: Units):
        """The kernel of one virtual network: (size, size, its input, its output channels)."""
        return take_block(self.kernel, *self.blocks(in_units, out_units))

    def call(self, inputs, in_units, out_units):
        wanted = [
            self.blocks(_as_units(before), _as_units(after))
            for before, after in zip(in_units, out_units, strict=True)
        ]
        kernels = self._nested_kernels(wanted)
        # Streams of one key go through one convolution.
        streams = collections.defaultdict(list)
        for number, (x, blocks) in enumerate(zip(inputs, wanted, strict=True)):
            streams[(blocks, x.shape[1:3]) if self.merge_streams else number].append(number)
        outputs = {}
        for numbers in streams.values():
            # Each x (b, h, w, c_in) becomes (b, h / strides, w / strides, c_out).
            x, kernel = _side_by_side([inputs[n] for n in numbers]), kernels[wanted[numbers[0]]]
            y = pad_and_convolve(x, kernel, self.strides, self.padding)
            outputs |= zip(numbers, _apart(y, [inputs[n] for n in numbers]), strict=True)
        return [outputs[number] for number in range(len(inputs))]

    def compute_output_spec(self, inputs, in_units, out_units):
        # Keras would find it by tracing `call`; under JAX the units would become tracers too.
        return [
            keras.KerasTensor(
                (
                    x.shape[0],
                    *(side and math.ceil(side / self.strides) for side in x.shape[1:3]),
                    self.partition.width(self.filters, _as_units(after)),
                ),
                dtype=self.compute_dtype,
            )
            for x, after in zip(inputs, out_units, strict=True)
        ]

    def _nested_kernels(self, wanted):
        """One sub-kernel for each distinct pair of intervals, sliced from the next larger one.

        Levels are nested, so that a gradient climbs from slice to slice, and each addition is no
        larger than the level it reaches. If all were sliced from the whole kernel, every virtual
        network would pad its gradient to the full size: k x n_h times the memory traffic.
        """
        whole = (((0, self.kernel.shape[2]),), ((0, self.kernel.shape[3]),))
        kernels = {whole: self._trained_kernel(wanted)}
        for blocks in sorted(set(wanted), key=area, reverse=True):
            if blocks in kernels:
                continue
            parent = min(
                (
                    large
                    for large in kernels
                    if inside(blocks[0], large[0]) and inside(blocks[1], large[1])
                ),
                key=area,
            )
            kernels[blocks] = take_block(
                kernels[parent],
                locate(blocks[0], parent[0]),
                locate(blocks[1], parent[1]),
            )
        return kernels

    def _frozen(self) -> np.ndarray:
        """Where the kernel is frozen: a mask (1, 1, in, out)."""
        mask = np.zeros((1, 1, *self.kernel.shape[2:]), bool)
        rows, columns = self.blocks(
            self.frozen_units if self.partitioned_input else None, self.frozen_units
        )
        for (top, bottom), (left, right) in itertools.product(rows, columns):
            mask[..., top:bottom, left:right] = True
        return mask

    def _trained_kernel(self, wanted):
        kernel = ops.convert_to_tensor(self.kernel)
        if self.gradients == MEAN:
            kernel = divide_gradient(kernel, count_uses(self.kernel.shape, wanted))
        if not self.frozen_units:
            return kernel
        # A gradient of exactly 0 from the first step on leaves momentum, and so the weight, alone.
        return ops.where(self._frozen(), ops.stop_gradient(kernel), kernel)

    def _decay(self, kernel):
        kernel = ops.convert_to_tensor(kernel)  # JAX's `where` takes no variable
        if self.frozen_units:
            kernel = ops.where(self._frozen(), 0.0, kernel)
        return 0.5 * self.weight_decay * ops.sum(ops.square(kernel))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "fractions": self.fractions,
            "in_channels": self.in_channels,
            "weight_decay": self.weight_decay,
            "stored_units": self.stored_units,
            "frozen_units": self.frozen_units,
            "partitioned_input": self.partitioned_input,
            "padding": self.padding,
            "merge_streams": self.merge_streams,
            "gradients": self.gradients,
        }

    @classmethod
    def from_config(cls, config: dict) -> "UnitConv2D":
        # Versions before 0.3 named no padding, and had TensorFlow's.
        return cls(**{"padding": SAME, **config})


def _side_by_side(inputs):
    """Several batches as one."""
    return inputs[0] if len(inputs) == 1 else ops.concatenate(inputs)


def _apart(y, inputs) -> list:
    """What one batch has become, for each of the batches that it was made of."""
    if len(inputs) == 1:
        return [y]
    sizes = [ops.shape(x)[0] for x in inputs]
    edges = list(itertools.accumulate(sizes))
    if all(isinstance(size, int) for size in sizes):
        return ops.split(y, edges[:-1])
    return [y[stop - size : stop] for stop, size in zip(edges, sizes, strict=True)]


def _as_units(units) -> Units | Groups | None:
    # A reloaded model brings its call arguments as lists.
    if units is None or isinstance(units, int):
        return units
    return tuple(map(_as_units, units))
