"""A deep virtual network: one functional Keras model with k x n_h logits.

table + backbone + tasks -> `DeepVirtualNetwork` -> `extract(task, level)`, a plain model of
stock Keras layers that holds one virtual network and nothing else.
"""

import os
from collections.abc import Mapping, Sequence

import keras

from dvn_tf.entry_groups import Groups, entry_groups
from dvn_tf.errors import UserError
from dvn_tf.networks.accounting import Cost, costs
from dvn_tf.networks.archive import ArchiveError, arguments, check_weights, read_archive
from dvn_tf.networks.backbones import Backbone
from dvn_tf.networks.causal_layers import CausalLayers
from dvn_tf.networks.checks import check_fit, check_gradients
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.extraction import extract
from dvn_tf.networks.heads import Head
from dvn_tf.networks.layer_sets import Features
from dvn_tf.networks.legacy import current_weights
from dvn_tf.networks.mean_gradients import MEAN, SUM, DividedGradient
from dvn_tf.networks.padding import SYMMETRIC
from dvn_tf.networks.plain_layers import input_layer
from dvn_tf.networks.virtual_layers import VirtualLayers
from dvn_tf.tasks import TaskInfo, head_name, input_strides, output_name
from dvn_tf.units import UnitPartition, Units, UnitTable


@keras.saving.register_keras_serializable("dvn_tf")
class DeepVirtualNetwork(keras.Model):
    """k x n_h virtual networks in one network whose channels are divided into units.

    A functional Keras model from a dict of images {task: (batch, height, width, channels)},
    pixel values 0..255, to a dict of logits {"task/level1": (batch, classes), ...}. Compile, fit,
    save and load it as any other; `dvn_tf.joint_objective` gives `compile` the loss of Eq. 4.

    Args:
        tasks: the k tasks, in the order of the table's rows.
        table: which units each (task, level) uses.
        backbone: `WideResNet`, `ResNet` or one like them.
        partition: the channel fraction of each unit; None divides evenly.
        weight_decay: SGD's decay d as Torch counts it: d/2 * sum(w^2) in the loss, once for
            every kernel of the network. Batch normalization and biases are not decayed.
        map_size: side in pixels of the maps where all tasks meet, see `input_strides`.
        dtype: a Keras dtype policy such as "mixed_float16"; None is Keras's own setting.
        frozen_units: units whose weights training leaves as they are, see `UnitConv2D`.
        heads: {task: what turns its features into logits}; a task that is not named has one
            fully connected layer.
        padding: see `dvn_tf.networks.padding`; `SAME` is for networks that versions before 0.3
            trained.
        merge_streams: whether virtual networks with the same units go through one convolution in
            one batch. It changes how a step is computed, not what it gives, and is not saved.
        gradients: "sum" trains by the gradient of Eq. 4, "mean" by that of each weight divided by
            the number of losses that reach it, see `mean_gradients`. It is not saved either.
        causal: whether a unit reads only units that entered its task no later than itself. One
            pass then serves all levels of a task, see `CausalLayers`.

    Units that no virtual network uses take no memory: the kernels store those of the table.

    Raises:
        UserError: if the parts do not fit each other, or a unit gets no channel in a layer.

    Example:
        >>> tasks = [TaskInfo("a", 10, (32, 32, 3)), TaskInfo("b", 100, (32, 32, 3))]
        >>> network = DeepVirtualNetwork(tasks, UnitTable.by_rule(2), WideResNet(8, 1))
        >>> list(network.virtual_networks)
        ['a/level1', 'a/level2', 'b/level1', 'b/level2']

    Reference:
        Kim et al., "Deep Virtual Networks for Memory Efficient Inference of Multiple Tasks",
        CVPR 2019, section 3.2.
    """

    def __init__(
        self,
        tasks: Sequence[TaskInfo],
        table: UnitTable,
        backbone: Backbone,
        partition: UnitPartition | None = None,
        weight_decay: float = 0.0,
        map_size: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        frozen_units: Units = (),
        heads: Mapping[str, Head] | None = None,
        padding: str = SYMMETRIC,
        merge_streams: bool = False,
        gradients: str = SUM,
        causal: bool = False,
        **kwargs,
    ):
        tasks = tuple(tasks)
        heads = {task.name: (heads or {}).get(task.name, Head()) for task in tasks}
        frozen_units = tuple(frozen_units)
        partition = partition or UnitPartition.even(table.num_units)
        check_fit(tasks, table, backbone, partition)
        check_gradients(causal, gradients)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        virtual_networks = [
            (task, row, level)
            for row, task in enumerate(tasks, start=1)
            for level in range(1, table.num_levels + 1)
        ]
        units = [table.units(row, level) for _, row, level in virtual_networks]
        settings = (weight_decay, policy, frozen_units, padding, merge_streams)
        if causal:
            layers = CausalLayers(partition, table, *settings)
        else:
            layers = VirtualLayers(partition, units, *settings, gradients)
        inputs, stems = {}, {}
        for task, stride in zip(tasks, input_strides(tasks, map_size), strict=True):
            image = keras.Input(task.image_shape, name=task.name)
            inputs[task.name] = image
            stems[task.name] = input_layer(
                image, task, backbone.input_width, stride, weight_decay, policy, padding=padding
            )
            if gradients == MEAN:  # all levels of the task read it
                divide = DividedGradient(table.num_levels, dtype=policy)
                stems[task.name] = divide(stems[task.name])
        owners = tasks if causal else [task for task, _, _ in virtual_networks]
        stem = Features([stems[task.name] for task in owners], (backbone.input_width,))
        features = backbone(stem, layers)
        outputs = {
            output_name(task.name, level): heads[task.name].build(
                feature,
                task.num_classes,
                name=head_name(task.name, level),
                weight_decay=weight_decay,
                policy=policy,
            )
            for (task, _, level), feature in zip(virtual_networks, features.tensors, strict=True)
        }
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = policy  # Keras scales the loss of models whose own policy is float16
        self.tasks = tasks
        self.table = table
        self.backbone = backbone
        self.partition = partition
        self.weight_decay = weight_decay
        self.map_size = map_size
        self.policy = policy
        self.frozen_units = frozen_units
        self.heads = heads
        self.padding = padding
        self.gradients = gradients
        self.feature_widths = features.widths
        self.norms = layers.norms
        self.owners = layers.owners
        self.causal = causal

    @property
    def virtual_networks(self) -> dict[str, tuple[TaskInfo, int, Units]]:
        """{"task/level1": (task, level, units)} for every output, in the table's order."""
        return {
            output_name(task.name, level): (task, level, self.table.units(row, level))
            for row, task in enumerate(self.tasks, start=1)
            for level in range(1, self.table.num_levels + 1)
        }

    def layer_units(self, name: str) -> Units | Groups:
        """The units of an output as its layers use them: in groups if levels are causal."""
        task, level, units = self.virtual_networks[name]
        if not self.causal:
            return units
        return entry_groups(self.table, self.tasks.index(task) + 1, level)

    def streams_of(self, name: str) -> list[int]:
        """The numbers of the streams that an output is made of, see `TensorLayers`."""
        if not self.causal:
            return [list(self.virtual_networks).index(name)]
        row = self.tasks.index(self.virtual_networks[name][0])
        own = [stream for stream, owner in enumerate(self.owners) if owner == row]
        return own[: len(self.layer_units(name))]

    @property
    def outputs_by_task(self) -> dict[str, list[str]]:
        """{task: names of its outputs}, in the table's order."""
        levels = range(1, self.table.num_levels + 1)
        return {t.name: [output_name(t.name, level) for level in levels] for t in self.tasks}

    @property
    def tasks_by_name(self) -> dict[str, TaskInfo]:
        """{name: task}, in the table's order."""
        return {task.name: task for task in self.tasks}

    def input_stride(self, task: TaskInfo) -> int:
        """The stride in pixels of a task's input layer, see `dvn_tf.tasks.input_strides`."""
        return input_strides(self.tasks, self.map_size)[self.tasks.index(task)]

    def costs(self) -> dict[str, Cost]:
        """The cost of every virtual network, see `dvn_tf.networks.accounting.costs`."""
        return costs(
            self.tasks,
            self.table,
            self.backbone,
            self.partition,
            self.map_size,
            self.heads,
            self.causal,
        )

    def stored_parameters(self) -> tuple[int, int]:
        """The number of parameters of the whole network: N_T of Table 1.

        Returns:
            The paper's count and the count of all, see `dvn_tf.networks.accounting.Cost`.
        """
        convolutions = [layer for layer in self.layers if isinstance(layer, UnitConv2D)]
        return sum(layer.count_params() for layer in convolutions), self.count_params()

    def extract(self, task: str, level: int) -> keras.Model:
        """The virtual network (task, level) as a plain model of stock Keras layers.

        The model is built at the virtual network's own widths and has copies of its weights
        alone. It takes images (batch, *image_shape) with pixel values 0..255 and gives logits.

        Raises:
            UserError: if there is no such task or level.
        """
        name = output_name(task, level)
        if name not in self.virtual_networks:
            raise UserError(
                f"there is no virtual network {name}; there are {', '.join(self.virtual_networks)}"
            )
        return extract(self, name)

    def get_config(self) -> dict:
        return {
            "tasks": [task.get_config() for task in self.tasks],
            "rows": self.table.rows,
            "num_units": self.table.num_units,
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "fractions": self.partition.fractions,
            "weight_decay": self.weight_decay,
            "map_size": self.map_size,
            "dtype": keras.saving.serialize_keras_object(self.policy),
            "frozen_units": self.frozen_units,
            "heads": {
                name: keras.saving.serialize_keras_object(head) for name, head in self.heads.items()
            },
            "padding": self.padding,
            "causal": self.causal,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "DeepVirtualNetwork":
        return cls(**arguments(config, custom_objects))


def uncompiled(network: DeepVirtualNetwork) -> DeepVirtualNetwork:
    """The network itself if it has no optimizer and divides no gradients, else such a copy."""
    if not network.compiled and network.gradients == SUM:
        return network
    copy = DeepVirtualNetwork.from_config(network.get_config())
    weights = {variable.path: variable for variable in network.variables}
    for variable in copy.variables:
        # A step under JAX gives its arrays away, and would take a shared one from both.
        variable.assign(keras.ops.copy(weights[variable.path]))
    return copy


def load_network(file: str | os.PathLike) -> DeepVirtualNetwork:
    """Loads a deep virtual network from a `.keras` file, such as a run's `model.keras`.

    Keras's safe mode is on: no code from the file is run. `keras.models.load_model` also restores
    the optimizer of a network that was saved with one.

    Args:
        file: its path.

    Returns:
        The whole network with its weights, all tasks and levels. It is not compiled: `extract`
        and `predict` work at once, `fit` and `evaluate` after `compile`.

    Raises:
        UserError: if the file is damaged or has no deep virtual network.
    """
    try:
        archive = read_archive(file)
        name = archive.config["registered_name"] or archive.config["class_name"]
        kind = keras.saving.get_registered_object(name) or type(name, (), {})
        if issubclass(kind, DeepVirtualNetwork):
            check_weights(file, archive)
            with current_weights(file) as current:
                network = keras.models.load_model(current, compile=False)
            kind = type(network)
    except ArchiveError:
        raise
    except Exception as error:  # zipfile, h5py, json and Keras each raise their own
        raise UserError(
            f"{file} is not a whole Keras model ({type(error).__name__}): restore it, or delete "
            "it and let the run's command write it again"
        ) from error
    if not issubclass(kind, DeepVirtualNetwork):
        raise UserError(f"{file} holds a {kind.__name__:.40}, no deep virtual network")
    return network
