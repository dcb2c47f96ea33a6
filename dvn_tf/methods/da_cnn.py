"""DA-CNN: a network made deeper for a new task (Wang et al., "Growing a brain", CVPR 2017)."""

import dataclasses
import itertools
from typing import Annotated, ClassVar

import keras

from dvn_tf.methods.method import Method, Stage, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.methods.whole_backbone import frozen_stages
from dvn_tf.networks.heads import Head, dense_settings
from dvn_tf.settings import Between, check_settings


@keras.saving.register_keras_serializable("dvn_tf")
@dataclasses.dataclass(frozen=True)
class AddedLayersHead(Head):
    """A head with fully connected layers before the logits.

    Each added layer is rectified, normalized by its root mean square and multiplied by a learned
    scale for each channel (Wang et al., section 3.3).

    Args:
        widths: channels of the added layers.
    """

    widths: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "widths", tuple(self.widths))  # a reloaded model brings a list

    def layer_names(self, name: str) -> list[str]:
        """See `Head.layer_names`."""
        numbers = range(1, len(self.widths) + 1)
        added = [f"{name}_{kind}{number}" for number in numbers for kind in ("added", "scale")]
        return [*added, name]

    def build(self, feature, num_classes: int, *, name: str, weight_decay: float = 0.0, policy):
        """See `Head.build`."""
        settings = dense_settings(weight_decay, policy)
        for number, width in enumerate(self.widths, start=1):
            layer = keras.layers.Dense(
                width, activation="relu", name=f"{name}_added{number}", **settings
            )
            scale = keras.layers.RMSNormalization(
                dtype=settings["dtype"], name=f"{name}_scale{number}"
            )
            feature = scale(layer(feature))
        return super().build(
            feature, num_classes, name=name, weight_decay=weight_decay, policy=policy
        )

    def cost(self, channels: int, num_classes: int) -> tuple[int, int]:
        """See `Head.cost`; a scale is a parameter for each of a layer's channels."""
        widths = [channels, *self.widths, num_classes]
        multiply_adds = sum(low * high for low, high in itertools.pairwise(widths))
        return multiply_adds + sum(widths[1:]) + sum(self.widths), multiply_adds


@dataclasses.dataclass(frozen=True)
class DACNN(Method):
    """The old network is frozen; a new task gets two fully connected layers and a head.

    Section 4.5: "with two additional fully-connected layers", see `AddedLayersHead`.

    Args:
        added_layers: number of fully connected layers to add.
        added_width: channels of each; None is the width of the backbone's features.
    """

    name: ClassVar[str] = "da_cnn"
    title: ClassVar[str] = "DA-CNN"

    added_layers: Annotated[int, Between(1, 100)] = 2
    added_width: Annotated[int, Between(1, 65_536)] | None = None

    def __post_init__(self):
        check_settings(self)

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self._needs_sequence(scenario)
        width = self.added_width or scenario.backbone.widths[-1]
        head = AddedLayersHead((width,) * self.added_layers)
        return frozen_stages(scenario, task_names(scenario), epochs, head=head)
