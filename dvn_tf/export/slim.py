"""Slim networks: one virtual network alone, as small as inference allows.

Batch normalization at inference is a scale and a shift, so where it directly follows a
convolution it disappears into that convolution's kernel and bias. The result is a functional
model of stock Keras layers, made by running the backbone on `FoldedLayers`.
"""

import collections
import dataclasses
import re
from collections.abc import Mapping

import keras
import numpy as np

from dvn_tf.entry_groups import Groups, as_groups, entry_name
from dvn_tf.export.metadata import network_metadata
from dvn_tf.networks.layer_sets import Features, LayerSet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.plain_layers import PlainLayers, input_layer
from dvn_tf.tasks import TaskInfo, output_name
from dvn_tf.units import UnitPartition, Units


@dataclasses.dataclass(frozen=True)
class SlimNetwork:
    """A virtual network ready to be written in any format.

    Attributes:
        model: from images (batch, height, width, channels), pixel values 0..255, to logits
            or probabilities (batch, classes).
        task: its task.
        level: its level, from 1.
        units: the units it holds.
        input_dtype: dtype of the images that the model takes, "float32" or "uint8".
        output: what the model gives, "logits" or "probabilities".
        origin: the run that trained it, see `network_metadata`.
        names_classes: whether its SavedModels give the names of the classes as a second output.
    """

    model: keras.Model
    task: TaskInfo
    level: int
    units: Units
    input_dtype: str = "float32"
    output: str = "logits"
    origin: Mapping = dataclasses.field(default_factory=dict)
    names_classes: bool = False

    @property
    def name(self) -> str:
        """Names files: "<task>_level<l>"."""
        return f"{self.task.name}_level{self.level}"

    def without_softmax(self) -> "SlimNetwork":
        """This network, giving logits."""
        if self.output == "logits":
            return self
        model = keras.Model(self.model.input, self.model.layers[-1].input, name=self.model.name)
        return dataclasses.replace(self, model=model, output="logits")

    def metadata(self, input_dtype: str | None = None) -> dict:
        """The metadata of a file of this network, which may take images of another dtype."""
        dtype = input_dtype or self.input_dtype
        return network_metadata(self.task, self.level, self.units, dtype, self.output, self.origin)


def slim_network(
    network: DeepVirtualNetwork,
    task: str,
    level: int,
    input_dtype: str = "float32",
    output: str = "logits",
    origin: Mapping | None = None,
) -> SlimNetwork:
    """Takes one virtual network out of a deep virtual network and folds it.

    Args:
        network: the network; its weights are copied.
        task: a task's name.
        level: a level, from 1.
        input_dtype: dtype of the images to take, "float32" or "uint8".
        output: what to give, "logits" or "probabilities".
        origin: the run that trained the network, see `network_metadata`.

    Returns:
        The slim network, in float32 whatever the network was trained in. Its outputs equal
        those of `network.extract(task, level)` but for rounding.

    Raises:
        UserError: if there is no such task or level.
    """
    plain = network.extract(task, level)
    info, _, units = network.virtual_networks[output_name(task, level)]
    groups = as_groups(network.layer_units(output_name(task, level)))
    folds = find_folds(network.backbone, f"{task}_input_conv")
    image = keras.Input(info.image_shape, dtype=input_dtype, name="images")
    model = _folded_model(network, info, groups, folds, plain.layers[-1].name, image, output)
    fill_folded(model, plain, folds, groups)
    name_alike(model)
    return SlimNetwork(model, info, level, units, input_dtype, output, dict(origin or {}))


def fill_folded(
    model: keras.Model, plain: keras.Model, folds: Mapping[str, str], groups: Groups
) -> None:
    """Copies the weights of a plain network into one of `FoldedLayers`, and folds them.

    Args:
        model: the folded network; layers that the plain one lacks keep their weights.
        plain: the plain network.
        folds: {convolution: normalization}, from `find_folds`.
        groups: the groups of units of both networks.
    """
    known = {layer.name: layer for layer in plain.layers}
    norms = dict(folds)
    for number in range(len(groups)):
        norms |= {
            entry_name(conv, number, groups): entry_name(norm, number, groups)
            for conv, norm in folds.items()
        }
    for layer in model.layers:
        if layer.name in norms:
            layer.set_weights(_fold(known[layer.name], known[norms[layer.name]]))
        elif layer.weights and layer.name in known:
            layer.set_weights(known[layer.name].get_weights())


def find_folds(backbone, input_conv: str) -> dict[str, str]:
    """The normalizations of a backbone that can be folded: {convolution: normalization}.

    Args:
        backbone: the backbone.
        input_conv: name of the convolution of the input layer.
    """
    layers = FoldFinder()
    backbone(Origin((backbone.input_width,), False, input_conv), layers)
    # A convolution that something else reads too must keep its own output.
    return {conv: norm for conv, norm in layers.norms.items() if layers.readers[conv] == 1}


class FoldedLayers(PlainLayers):
    """Stock Keras layers in which some convolutions hold the normalization after them.

    Args:
        partition: the channel fractions of the units.
        units: the units whose channels the network has, or their groups, as for `PlainLayers`.
        folds: {convolution: normalization}, from `find_folds`.
        padding: see `dvn_tf.networks.padding`.
    """

    def __init__(
        self,
        partition: UnitPartition,
        units: Units | Groups,
        folds: dict[str, str],
        padding: str,
    ):
        super().__init__(partition, units, 0.0, "float32", padding)
        self.folds = folds

    def has_bias(self, conv: str) -> bool:
        """Only a convolution that holds its normalization has one."""
        return conv in self.folds

    def norm(self, x: Features, *, name) -> Features:
        """Nothing where it is folded, else a `BatchNormalization`."""
        return x if name in self.folds.values() else super().norm(x, name=name)


def _folded_model(network, task, groups, folds, head: str, image, output: str) -> keras.Model:
    """The virtual network of some groups of units, with the weights that Keras starts it with."""
    backbone, width = network.backbone, network.backbone.input_width
    layers = FoldedLayers(network.partition, groups, folds, network.padding)
    stride, use_bias = network.input_stride(task), layers.has_bias(f"{task.name}_input_conv")
    stem = input_layer(
        image, task, width, stride, 0.0, "float32", use_bias, padding=network.padding
    )
    [feature] = backbone(Features([stem], (width,)), layers).tensors
    outputs = network.heads[task.name].build(feature, task.num_classes, name=head, policy="float32")
    if output == "probabilities":
        outputs = keras.layers.Softmax(dtype="float32", name=output)(outputs)
    return keras.Model(image, outputs, name=head.removesuffix("_head"))


def name_alike(model: keras.Model) -> None:
    """Counts the names that Keras has given from 1, whatever this process has built before.

    Names reach the files, and the same network is to give the same bytes.
    """
    counts = collections.Counter()
    for operation in model.operations:
        kind = re.sub(r"_\d+$", "", operation.name)
        if kind.replace("_", "") == type(operation).__name__.lower():
            counts[kind] += 1
            operation.name = f"{kind}_{counts[kind]}"


def _fold(conv, norm) -> list[np.ndarray]:
    """Kernel and bias of a convolution that does what `conv` and then `norm` do."""
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel = conv.get_weights()[0] * scale  # output channels are the last axis
    return [kernel.astype(np.float32), (beta - mean * scale).astype(np.float32)]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Stands for features: their widths, and the convolution whose plain output they are."""

    widths: tuple[int, ...]
    partitioned: bool = True
    conv: str | None = None

    @property
    def width(self) -> int:
        """Channels of the whole network."""
        return sum(self.widths)


class FoldFinder(LayerSet[Origin]):
    """Layers that compute nothing, and record what reads the output of each convolution.

    Attributes:
        norms: {convolution: a normalization that reads it}.
        readers: how many operations read each convolution.
    """

    def __init__(self):
        self.norms = {}
        self.readers = collections.Counter()

    def conv(self, x: Origin, width: int, kernel_size: int, stride: int, *, name) -> Origin:
        """The origin of what follows."""
        self._read(x)
        return Origin((width,), conv=name)

    def norm(self, x: Origin, *, name) -> Origin:
        """Can be folded if it reads a convolution."""
        if x.conv:
            self.norms[x.conv] = name
        return self._read(x)

    def relu(self, x: Origin) -> Origin:
        """Reads x."""
        return self._read(x)

    def add(self, x: Origin, y: Origin) -> Origin:
        """Reads x and y."""
        self._read(x)
        return self._read(y)

    def concatenate(self, x: Origin, y: Origin) -> Origin:
        """Reads x and y."""
        self._read(x)
        self._read(y)
        return Origin(x.widths + y.widths)

    def shortcut(self, x: Origin, width: int, stride: int) -> Origin:
        """Reads x."""
        self._read(x)
        return Origin((width,))

    def max_pool(self, x: Origin, size: int) -> Origin:
        """Reads x."""
        return self._read(x)

    def pool(self, x: Origin) -> Origin:
        """Reads x."""
        return self._read(x)

    def _read(self, x: Origin) -> Origin:
        """Counts a reader of x; gives what the reader computes, which is no convolution's."""
        if x.conv:
            self.readers[x.conv] += 1
        return dataclasses.replace(x, conv=None)
