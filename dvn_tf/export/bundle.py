"""Several virtual networks in one SavedModel, every weight stored once.

Each has a signature of its own; what they share, they share in the file and in memory. The
kernels are trimmed to the units in use: virtual networks that have units in common share one
kernel for the union of their units, the others have kernels of their own.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from dvn_tf.entry_groups import Groups, all_units
from dvn_tf.export.metadata import network_metadata
from dvn_tf.export.saved_model import (
    class_names_signature,
    image_signature,
    write_extra,
    write_signatures,
)
from dvn_tf.files import atomic_folder, refusals_of_libraries
from dvn_tf.networks.kernel_blocks import locate, take_block
from dvn_tf.networks.layer_sets import Features
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.padding import pad_and_convolve
from dvn_tf.networks.plain_layers import PlainLayers
from dvn_tf.tasks import TaskInfo, head_name
from dvn_tf.units import Units, joined


class Bundle:
    """Some virtual networks of one network, as functions that share their weights.

    Args:
        network: the network; its weights are copied.
        names: the outputs to serve, such as ("cifar10/level1", "cifar100/level2").
        input_dtype: dtype of the images to take, "float32" or "uint8".
        output: what to give, "logits" or "probabilities".
        origin: the run that trained the network, see `network_metadata`.
        default: the output whose signature is also "serving_default"; None is none.
        names_classes: whether each signature gives the names of the classes as a second output.

    Attributes:
        units: the units that any of the virtual networks uses.
        functions: {"<task>_level<l>": function from images to {"logits" or "probabilities"}}.
    """

    def __init__(
        self,
        network: DeepVirtualNetwork,
        names: Sequence[str],
        input_dtype: str = "float32",
        output: str = "logits",
        origin: Mapping | None = None,
        default: str | None = None,
        names_classes: bool = False,
    ):
        virtual = network.virtual_networks
        self.network = network
        self.names = [name for name in virtual if name in set(names)]
        self._input_dtype, self._output, self._origin = input_dtype, output, origin
        self._default, self._names_classes = default, names_classes
        self.units = tuple(sorted({unit for name in self.names for unit in virtual[name][2]}))
        self._groups = _connected(virtual[name][2] for name in self.names)
        self._variables: dict[str, keras.Variable] = {}
        self._heads: list[keras.Model] = []
        self.functions = {}
        for name in self.names:
            task, level, _ = virtual[name]
            function = self._function(name)
            # The first call makes the variables, which a traced function may not do.
            function(np.zeros((1, *task.image_shape), np.float32))
            self.functions[f"{task.name}_level{level}"] = function

    def metadata(self) -> list[dict]:
        """The metadata of every signature, in the form of `network_metadata`."""
        networks = map(self.network.virtual_networks.get, self.names)
        return [
            {"signature": f"{task.name}_level{level}"}
            | network_metadata(task, level, units, self._input_dtype, self._output, self._origin)
            for task, level, units in networks
        ]

    def count_parameters(self) -> int:
        """The number of weights stored."""
        own = sum(int(np.prod(variable.shape)) for variable in self._variables.values())
        return own + sum(head.count_params() for head in self._heads)

    def write(self, path: pathlib.Path) -> None:
        """Writes the SavedModel's folder, whole or not at all."""
        with atomic_folder(path) as temporary:
            self.fill(temporary)

    def fill(self, folder: pathlib.Path) -> None:
        """Fills an empty folder; further signatures "<task>_class_names" name classes."""
        tasks = {name: self.network.virtual_networks[name][0] for name in self.names}
        signatures = {
            signature: image_signature(
                function, tasks[name], self._input_dtype, self._names_classes
            )
            for (signature, function), name in zip(self.functions.items(), self.names, strict=True)
        }
        if self._default:
            default = dict(zip(self.names, self.functions, strict=True))[self._default]
            signatures["serving_default"] = signatures[default]
        for task in {task.name: task for task in tasks.values()}.values():
            signatures[f"{task.name}_class_names"] = class_names_signature(task)
        heads = [weight for head in self._heads for weight in head.variables]
        with refusals_of_libraries():
            write_signatures(signatures, [*self._variables.values(), *heads], folder)
            write_extra(folder, {"signatures": self.metadata()})

    def group(self, units: Units) -> Units:
        """The units of the kernel that a virtual network with these units finds its own in."""
        return next(group for group in self._groups if set(units) <= set(group))

    def variable(self, name: str, value) -> keras.Variable:
        """The stored weight of a name; `value()` gives it on first use."""
        if name not in self._variables:
            self._variables[name] = keras.Variable(value(), dtype="float32", trainable=False)
        return self._variables[name]

    def _function(self, name: str):
        """What a signature computes."""
        network, width = self.network, self.network.backbone.input_width
        task, level, _ = network.virtual_networks[name]
        stem = network.get_layer(f"{task.name}_input_conv")
        head = self._head(task, level)
        layers = BundledLayers(self, name)

        def function(images):
            x = network.get_layer(f"{task.name}_normalize")(keras.ops.cast(images, "float32"))
            kernel = self.variable(stem.name, lambda: stem.kernel)
            x = pad_and_convolve(x, kernel, network.input_stride(task), network.padding)
            [feature] = network.backbone(Features([x], (width,)), layers).tensors
            outputs = head(feature)
            if self._output == "probabilities":
                outputs = keras.ops.softmax(outputs)
            return {self._output: outputs}

        return function

    def _head(self, task: TaskInfo, level: int) -> keras.Model:
        """A copy of the head of a (task, level), from features to logits."""
        name, head = head_name(task.name, level), self.network.heads[task.name]
        first = self.network.get_layer(head.layer_names(name)[0])
        feature = keras.Input((first.kernel.shape[0],))
        logits = head.build(feature, task.num_classes, name=name, policy="float32")
        model = keras.Model(feature, logits, name=name)  # a name that Keras has not counted
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(self.network.get_layer(layer.name).get_weights())
        self._heads.append(model)
        return model


class BundledLayers(PlainLayers):
    """Layers of one virtual network that slice the kernels of a bundle.

    Args:
        bundle: holds the weights.
        name: of the virtual network, such as "cifar10/level1".
    """

    def __init__(self, bundle: Bundle, name: str):
        network = bundle.network
        units = network.layer_units(name)
        super().__init__(network.partition, units, 0.0, "float32", network.padding)
        self.bundle = bundle
        self.streams = network.streams_of(name)
        self.stored = bundle.group(all_units(units))

    def conv(self, x: Features, width: int, kernel_size: int, stride: int, *, name) -> Features:
        """A convolution with this network's block of the bundle's kernel, for each group."""
        layer = self.bundle.network.get_layer(name)
        before = self.stored if x.partitioned else None
        kernel = self.bundle.variable(
            f"{name}/{self.stored}", lambda: layer.sub_kernel(before, self.stored)
        )
        tensors = []
        for tensor, read, units in zip(*self._read(x), self.groups, strict=True):
            rows = self._intervals(x.widths, read) if x.partitioned else ((0, x.width),)
            columns = self._intervals((width,), (units,))
            block = take_block(keras.ops.convert_to_tensor(kernel), rows, columns)
            tensors.append(pad_and_convolve(tensor, block, stride, self.padding))
        return Features(tensors, (width,), partitioned=True)

    def norm(self, x: Features, *, name) -> Features:
        """Normalization as a scale and a shift, which is all that inference needs."""
        network = self.bundle.network
        layer = network.get_layer(name)
        tensors = []
        for stream, tensor in zip(self.streams, x.tensors, strict=False):
            index = stream if x.partitioned else network.owners[stream]
            vectors = self.bundle.variable(
                f"{name}/{index}", lambda index=index: _scale_and_shift(layer, index)
            )
            tensors.append(tensor * vectors[0] + vectors[1])
        return dataclasses.replace(x, tensors=tensors)

    def _intervals(self, widths: tuple[int, ...], groups: Groups):
        """Where some groups of units lie in a kernel that has the units it stores."""
        read = (self.partition.intervals(widths, group) for group in groups)
        return locate(joined(itertools.chain(*read)), self.partition.intervals(widths, self.stored))


def _scale_and_shift(layer, index: int) -> np.ndarray:
    """What the batch normalization of a virtual network multiplies and adds: (2, channels)."""
    vectors = (keras.ops.convert_to_numpy(vector) for vector in layer.weights_of(index))
    gamma, beta, mean, variance = (vector.astype(np.float64) for vector in vectors)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return np.stack([scale, beta - mean * scale])


def _connected(sets: Iterable[Units]) -> list[Units]:
    """The unions of those sets that hang together, by a chain of sets with common members."""
    groups: list[set[int]] = []
    for units in map(set, sets):
        for group in [group for group in groups if group & units]:
            groups.remove(group)
            units |= group
        groups.append(units)
    return [tuple(sorted(group)) for group in groups]
