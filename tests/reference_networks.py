"""Networks to try, and virtual networks built by hand of stock Keras layers to compare with."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable

MEAN, STD = (100.0, 120.0, 140.0), (60.0, 50.0, 40.0)


def task(name, side=8, classes=3):
    return TaskInfo(name, classes, (side, side, 3), MEAN, STD)


# --------------------------------------------------------------- networks to try, and by hand...


@dataclasses.dataclass(frozen=True)
class Case:
    """A network; `rows`, `fractions` and `strides` are what it must be, written out."""

    tasks: tuple[TaskInfo, ...]
    table: UnitTable
    rows: tuple
    backbone: WideResNet | ResNet
    fractions: tuple[float, ...]
    strides: tuple[int, ...]
    map_size: int | None = None

    def build(self, **kwargs):
        partition = None if len(set(self.fractions)) == 1 else UnitPartition(self.fractions)
        network = DeepVirtualNetwork(
            self.tasks, self.table, self.backbone, partition, map_size=self.map_size, **kwargs
        )
        randomize(network)
        return network

    @property
    def virtual_networks(self):
        """(output, index of the task, level, units) of every virtual network, in order."""
        return [
            (f"{self.tasks[row].name}/level{level}", row, level, units)
            for row, levels in enumerate(self.rows)
            for level, units in enumerate(levels, start=1)
        ]

    def edges(self, width):
        """Where units begin and end in a layer of the whole network."""
        return [round(sum(self.fractions[:i]) * width) for i in range(len(self.fractions) + 1)]

    def owned(self, width, units):
        """The channels of units in a layer of the whole network."""
        edges = self.edges(width)
        return np.concatenate([np.arange(edges[unit - 1], edges[unit]) for unit in sorted(units)])


ROWS_OF_3 = (
    ((1,), (1, 2), (1, 2, 3)),
    ((2,), (1, 2), (1, 2, 3)),
    ((3,), (2, 3), (1, 2, 3)),
)
ROWS_OF_4 = (
    ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    ((2,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    ((3,), (2, 3), (2, 3, 4), (1, 2, 3, 4)),
    ((4,), (3, 4), (2, 3, 4), (1, 2, 3, 4)),
)
ROWS_WITH_EQUAL_LEVELS = (((1,), (1,), (1, 2)), ((2,), (1, 2), (1, 2)))
ROWS_WITH_GAPS = (((1, 3), (1, 3, 4)), ((2,), (2, 4)), ((4,), (1, 4)))
ROWS_OF_J3 = (
    ((1, 2), (1, 2, 3), (1, 2, 3, 4)),
    ((2, 3), (1, 2, 3), (1, 2, 3, 4)),
    ((3, 4), (2, 3, 4), (1, 2, 3, 4)),
)
CASES = {
    "WRN by the rule, uneven units": Case(
        (task("a"), task("b", classes=5), task("c")),
        UnitTable.by_rule(3),
        ROWS_OF_3,
        WideResNet(14, 1),  # identity shortcuts from the input layer on
        (0.5, 0.3, 0.2),
        (1, 1, 1),
    ),
    "WRN of J3's windows and sizes": Case(
        (task("a", 16), task("b", 8), task("c", 24)),
        UnitTable.by_rule(3, num_units=4, level_sizes=(2, 3, 4)),
        ROWS_OF_J3,
        WideResNet(10, 2),
        (0.25, 0.25, 0.25, 0.25),
        (2, 1, 3),
    ),
    "ResNet by the rule": Case(
        (task("a"), task("b"), task("c"), task("d")),
        UnitTable.by_rule(4),
        ROWS_OF_4,
        ResNet(10, 8),
        (0.25, 0.25, 0.25, 0.25),
        (1, 1, 1, 1),
    ),
    "ResNet of units with gaps, uneven, odd maps": Case(
        (task("a", 36), task("b", 18), task("c", 18)),
        UnitTable(ROWS_WITH_GAPS),
        ROWS_WITH_GAPS,
        ResNet(10, 10),
        (0.4, 0.1, 0.3, 0.2),
        (4, 2, 2),
        map_size=9,
    ),
    "WRN with equal neighbouring levels": Case(
        (task("a"), task("b", classes=5)),
        UnitTable(ROWS_WITH_EQUAL_LEVELS),
        ROWS_WITH_EQUAL_LEVELS,
        WideResNet(8, 1),
        (0.5, 0.5),
        (1, 1),
    ),
    "plain ResNet, a 1 x 1 table": Case(
        (task("a"),), UnitTable((((1,),),)), (((1,),),), ResNet(18, 4), (1.0,), (1,)
    ),
}
# Convolutions after an input layer, which is not cut, so that all units read all of it.
READ_UNCUT = ("group1_block1_conv1", "group1_block1_projection", "stage1_block1_conv1")


def randomize(network, seed=0):
    """Weights that a trained network might have; batch normalization starts at the identity."""
    rng = np.random.default_rng(seed)
    for variable in network.weights:
        if variable.path.endswith(("gamma", "moving_variance")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.path.endswith(("beta", "moving_mean", "bias")):
            variable.assign(rng.normal(0, 0.3, variable.shape))
        else:
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(rng.normal(0, fan_in**-0.5, variable.shape))


def batch(case, size=4, seed=1):
    rng = np.random.default_rng(seed)
    return {
        info.name: rng.uniform(0, 255, (size, *info.image_shape)).astype("float32")
        for info in case.tasks
    }


# --------------------------------------------------------------- ...a second implementation


class Reference:
    """One virtual network of stock Keras layers, with arrays cut out of the physical network.

    Nothing of `dvn_tf` builds or cuts here. A shortcut without parameters is a stock 1x1
    convolution with a kernel of zeros and ones, so that zero padding inside units is a matrix.
    The input is normalized images.
    """

    def __init__(self, case, network, index):
        self.case, self.network, self.index = case, network, index
        _, row, level, self.units = case.virtual_networks[index]
        info, stride = case.tasks[row], case.strides[row]
        self.convs = {}  # name: (layer, kernel rows, kernel columns)
        self.norms = {}  # name: (layer, start and stop in the vectors of all networks)
        self.stocks = {}  # name: layer, whose weights are the physical network's own
        image = keras.Input(info.image_shape, dtype="float64")
        x = self.stock(
            keras.layers.ZeroPadding2D(1)(image),
            f"{info.name}_input_conv",
            keras.layers.Conv2D(case.backbone.input_width, 3, stride, use_bias=False),
        )
        builder = self.resnet if isinstance(case.backbone, ResNet) else self.wide_resnet
        x = keras.layers.GlobalAveragePooling2D()(builder(x))
        logits = self.stock(
            x, f"{info.name}_level{level}_head", keras.layers.Dense(info.num_classes)
        )
        self.model = keras.Model(image, logits)

    def stock(self, x, name, layer):
        y = layer(x)
        layer.set_weights([np.asarray(w) for w in self.network.get_layer(name).weights])
        self.stocks[name] = layer
        return y

    def conv(self, x, name, rows, width, stride=1):
        columns = self.case.owned(width, self.units)
        kernel = np.asarray(self.network.get_layer(name).kernel)[:, :, rows][:, :, :, columns]
        size = kernel.shape[0]  # 3 or 1, padded as the original networks are
        layer = keras.layers.Conv2D(len(columns), size, stride, use_bias=False)
        y = layer(keras.layers.ZeroPadding2D(size // 2)(x))
        layer.set_weights([kernel])
        self.convs[name] = layer, rows, columns
        return y

    def norm(self, x, name, width, partitioned=True):
        widths = [
            len(self.case.owned(width, units)) if partitioned else width
            for *_, units in self.case.virtual_networks
        ]
        start = sum(widths[: self.index])
        stop = start + widths[self.index]
        source = self.network.get_layer(name)
        layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        y = layer(x)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        layer.set_weights([np.asarray(getattr(source, name))[start:stop] for name in names])
        self.norms[name] = layer, start, stop
        return y

    def shortcut(self, x, before, old_width, width, stride=1):
        """Channel c of unit u goes to channel c of unit u in the wider layer; the rest is 0."""
        if np.array_equal(before, self.case.owned(width, self.units)) and stride == 1:
            return x
        old, new = self.case.edges(old_width), self.case.edges(width)
        unit = np.searchsorted(old, before, side="right") - 1
        goes_to = before - np.array(old)[unit] + np.array(new)[unit]
        after = self.case.owned(width, self.units)
        kernel = np.equal.outer(goes_to, after).astype("float32")[None, None]
        layer = keras.layers.Conv2D(len(after), 1, stride, padding="same", use_bias=False)
        y = layer(x)
        layer.set_weights([kernel])
        return y

    def wide_resnet(self, x):
        relu, add = keras.layers.ReLU(), keras.layers.Add()
        backbone = self.case.backbone
        old_width, cut, before = 16, False, np.arange(16)
        for group in (1, 2, 3):
            width = 16 * backbone.width * 2 ** (group - 1)
            for block in range(1, (backbone.depth - 2) // 6 + 1):
                name = f"group{group}_block{block}"
                stride = 2 if group > 1 and block == 1 else 1
                mine = self.case.owned(width, self.units)
                active = relu(self.norm(x, f"{name}_norm1", old_width, cut))
                y = self.conv(active, f"{name}_conv1", before, width, stride)
                y = relu(self.norm(y, f"{name}_norm2", width))
                y = self.conv(y, f"{name}_conv2", mine, width)
                if old_width == width:
                    x = self.shortcut(x, before, width, width)
                else:
                    x = self.conv(active, f"{name}_projection", before, width, stride)
                x = add([x, y])
                old_width, cut, before = width, True, mine
        return relu(self.norm(x, "final_norm", width))

    def resnet(self, x):
        relu, add = keras.layers.ReLU(), keras.layers.Add()
        backbone = self.case.backbone
        old_width, before = backbone.base_width, np.arange(backbone.base_width)
        x = relu(self.norm(x, "input_norm", old_width, partitioned=False))
        for stage in (1, 2, 3, 4):
            width = backbone.base_width * 2 ** (stage - 1)
            for block in range(1, (backbone.depth - 2) // 8 + 1):
                name = f"stage{stage}_block{block}"
                stride = 2 if stage > 1 and block == 1 else 1
                mine = self.case.owned(width, self.units)
                y = self.conv(x, f"{name}_conv1", before, width, stride)
                y = relu(self.norm(y, f"{name}_norm1", width))
                y = self.conv(y, f"{name}_conv2", mine, width)
                y = self.norm(y, f"{name}_norm2", width)
                x = relu(add([self.shortcut(x, before, old_width, width, stride), y]))
                old_width, before = width, mine
        return x

    def gradient(self, image, labels):
        """{name of a layer: gradients, as the physical network has them}, of mean cross-entropy.

        They are scattered into arrays of the physical network's shapes, zero elsewhere.
        """
        with tf.GradientTape() as tape:
            logits = self.model(normalized(image), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        tensors = {w.path: w.value for w in self.model.trainable_weights}
        by_path = tape.gradient(loss, tensors, unconnected_gradients="zero")
        found = {}
        for name, (layer, rows, columns) in self.convs.items():
            whole = np.zeros(self.network.get_layer(name).kernel.shape)
            whole[np.ix_(range(len(whole)), range(len(whole)), rows, columns)] = dense(
                by_path[layer.kernel.path]
            )
            found[name] = [whole]
        for name, (layer, start, stop) in self.norms.items():
            found[name] = []
            for vector in (layer.gamma, layer.beta):
                whole = np.zeros(self.network.get_layer(name).gamma.shape)
                whole[start:stop] = dense(by_path[vector.path])
                found[name].append(whole)
        for name, layer in self.stocks.items():
            found[name] = [dense(by_path[w.path]) for w in layer.trainable_weights]
        return found


def normalized(images):
    return (np.asarray(images, "float64") - np.array(MEAN)) / np.array(STD)


def dense(gradient):
    return np.asarray(tf.convert_to_tensor(gradient))


def references(case, network):
    """In float64, so that all the rounding is that of the network under test."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        return [Reference(case, network, index) for index in range(len(case.virtual_networks))]
    finally:
        keras.config.set_dtype_policy(policy)


def assert_close(actual, expected, tolerance=1e-5, err_msg=""):
    """Within a tolerance relative to the largest number."""
    scale = max(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale, err_msg=err_msg)
