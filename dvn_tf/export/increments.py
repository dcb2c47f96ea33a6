"""A task's causal levels in parts: the network of level 1, and what each further level adds.

A level of a causal network computes all that the level below computes, and more. Level 1 is a
network that also gives the activations which higher levels read; an increment reads these and
gives the logits of its level, without computing anything anew.
"""

import dataclasses

import keras

from dvn_tf.errors import UserError
from dvn_tf.export.slim import FoldedLayers, fill_folded, find_folds, name_alike
from dvn_tf.networks.layer_sets import Features, TensorLayers
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.plain_layers import input_layer
from dvn_tf.tasks import TaskInfo, head_name, output_name
from dvn_tf.units import Units

IMAGES, LOGITS = "images", "logits"
# Reads an activation at every higher level, also where no group is added.
_HEAD = "head"


@dataclasses.dataclass(frozen=True)
class Increment:
    """What one level adds to the level below.

    Attributes:
        model: from {name: input} to {name: output}; the images are the only input of level 1, and
            activations of lower levels are those of the others. One output is the logits.
        task: its task.
        level: its level, from 1.
        units: the units that enter at this level; none where it has those of the level below.
    """

    model: keras.Model
    task: TaskInfo
    level: int
    units: Units

    @property
    def name(self) -> str:
        """Names files: "<task>_level<l>"."""
        return f"{self.task.name}_level{self.level}"

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs."""
        return list(self.model.input)

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs, the logits first."""
        return list(self.model.output)


class RecordingLayers(FoldedLayers):
    """Stock Keras layers that record which activations a later group reads of earlier ones.

    Args: as for `FoldedLayers`.

    Attributes:
        reads: {id of an activation: (the activation, the group that computes it, the groups that
            read it)}; groups are numbered from 0 in order of entry.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.reads: dict[int, tuple] = {}

    def pool(self, x: Features) -> Features:
        """See `LayerSet.pool`; a tensor for each group."""
        return TensorLayers.pool(self, x)

    def _read(self, x: Features):
        self._record(x, partitioned=x.partitioned)
        return super()._read(x)

    def _own_units(self, x: Features) -> Features:
        if not x.partitioned:
            self._record(x, partitioned=False)
        return super()._own_units(x)

    def _record(self, x: Features, partitioned: bool) -> None:
        for reader in range(1, len(self.groups)):
            # Group 0 computes what is not partitioned.
            for source in range(reader if partitioned else 1):
                tensor = x.tensors[source]
                self.reads.setdefault(id(tensor), (tensor, source, set()))[2].add(reader)


def increments(network: DeepVirtualNetwork, task: str) -> list[Increment]:
    """Takes the levels of a task out of a network with causal levels, one by one.

    Args:
        network: the network; its weights are copied.
        task: a task's name.

    Returns:
        An increment for each level. Run one after another, they give the logits of every level,
        which equal those of `network.extract(task, level)` but for rounding.

    Raises:
        UserError: if the levels are not causal, or there is no such task.
    """
    if not network.causal:
        raise UserError(
            "a level of this network is no part of the next, so that there are no increments: "
            "train it with gin/learning/causal.gin (DVN.causal = True)"
        )
    if task not in network.tasks_by_name:
        raise UserError(f"there is no task {task!r}; there are {', '.join(network.tasks_by_name)}")
    info, levels = network.tasks_by_name[task], range(1, network.table.num_levels + 1)
    groups = network.layer_units(output_name(task, levels[-1]))
    counts = [len(network.layer_units(output_name(task, level))) for level in levels]
    layers, image, features = _body(network, info, groups)
    heads = [
        _head(network, info, level, features[:count])
        for level, count in zip(levels, counts, strict=True)
    ]
    whole = keras.Model(image, heads)
    for level in levels:
        for name in network.heads[task].layer_names(head_name(task, level)):
            whole.get_layer(name).set_weights(network.get_layer(name).get_weights())
    fill_folded(whole, network.extract(task, levels[-1]), layers.folds, groups)
    ports = _Ports(layers, features, counts)
    found = []
    for level, count in zip(levels, counts, strict=True):
        new = groups[count - 1] if count > ([0, *counts])[level - 1] else ()
        inputs = {IMAGES: image} if level == 1 else ports.inputs(level)
        outputs = {LOGITS: heads[level - 1]} | ports.outputs(level)
        model = _part(inputs, outputs, f"{task}_level{level}")
        name_alike(model)
        found.append(Increment(model, info, level, new))
    return found


class _Ports:
    """The activations that increments hand on.

    Args:
        layers: what the body was built of.
        features: the pooled features of each group.
        counts: for each level the number of its groups.
    """

    def __init__(self, layers: RecordingLayers, features: list, counts: list[int]):
        self._counts = [0, *counts]
        reads = list(layers.reads.values())
        reads += [(tensor, source, {_HEAD}) for source, tensor in enumerate(features)]
        # {name: (activation, the group that computes it, what reads it)}
        self._ports = {f"activation{n}": read for n, read in enumerate(reads, start=1)}

    def inputs(self, level: int) -> dict[str, keras.KerasTensor]:
        """The activations of lower levels that a level reads."""
        before, after = self._counts[level - 1 : level + 1]
        return {
            name: tensor
            for name, (tensor, source, readers) in self._ports.items()
            if source < before and readers & {_HEAD, *range(before, after)}
        }

    def outputs(self, level: int) -> dict[str, keras.KerasTensor]:
        """The activations that a level computes and higher levels read."""
        higher = range(level + 1, len(self._counts))
        read = [name for other in higher for name in self.inputs(other)]
        before, after = self._counts[level - 1 : level + 1]
        return {
            name: tensor
            for name, (tensor, source, _) in self._ports.items()
            if before <= source < after and name in read
        }


def _part(inputs: dict, outputs: dict, name: str) -> keras.Model:
    """The part of a network between some of its tensors."""
    fresh = {key: keras.Input(x.shape[1:], dtype=x.dtype, name=key) for key, x in inputs.items()}
    # `keras.Model` copies a graph that starts in the middle, and fails where layers are shared.
    function = keras.Function(list(inputs.values()), outputs)
    return keras.Model(fresh, function.call(list(fresh.values())), name=name)


def _body(network, info, groups):
    """The layers, the images and the features of each group of a task's highest level."""
    folds = find_folds(network.backbone, f"{info.name}_input_conv")
    layers = RecordingLayers(network.partition, groups, folds, network.padding)
    image = keras.Input(info.image_shape, name=IMAGES)
    stem = input_layer(
        image,
        info,
        network.backbone.input_width,
        network.input_stride(info),
        0.0,
        "float32",
        layers.has_bias(f"{info.name}_input_conv"),
        padding=network.padding,
    )
    features = network.backbone(Features([stem], (network.backbone.input_width,)), layers)
    return layers, image, features.tensors


def _head(network, info, level, features):
    """The logits of a level."""
    feature = features[0] if len(features) == 1 else keras.ops.concatenate(features, axis=1)
    name = head_name(info.name, level)
    return network.heads[info.name].build(feature, info.num_classes, name=name, policy="float32")
