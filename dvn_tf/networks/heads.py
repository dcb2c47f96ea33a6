"""Heads: what turns pooled features into the logits of one (task, level)."""

import dataclasses

import keras
import numpy as np

from dvn_tf.networks.layer_sets import at_least_single, decay


@keras.saving.register_keras_serializable("dvn_tf")
@dataclasses.dataclass(frozen=True)
class Head:
    """One fully connected layer for each (task, level) (section 4.2).

    A head builds its layers, counts them and copies their weights; nothing else in the project
    knows what they are. A subclass with further layers overrides `layer_names`, `build` and
    `cost`; registered with Keras, networks that have it can be saved and loaded.
    """

    def layer_names(self, name: str) -> list[str]:
        """The names of the layers with weights, in their order, of the head called `name`.

        All begin with `name`. The first reads the features; only it depends on the units.
        """
        return [name]

    def build(self, feature, num_classes: int, *, name: str, weight_decay: float = 0.0, policy):
        """Adds the layers to a network.

        Args:
            feature: (batch, channels).
            num_classes: number of logits.
            name: of the head.
            weight_decay: see `UnitConv2D`.
            policy: the Keras dtype policy of the network.

        Returns:
            Logits (batch, num_classes), in single precision at least.
        """
        settings = dense_settings(weight_decay, policy)
        return keras.layers.Dense(num_classes, name=name, **settings)(feature)

    def cost(self, channels: int, num_classes: int) -> tuple[int, int]:
        """The numbers of parameters and of multiply-adds for one image.

        Args:
            channels: of the features.
            num_classes: number of logits.
        """
        return (channels + 1) * num_classes, channels * num_classes

    def copy(self, source: keras.Model, target: keras.Model, old: str, new: str, rows) -> None:
        """Copies the weights of a head into another of the same form (warm start).

        Args:
            source: the network to copy from.
            target: the network to copy into.
            old: name of the head in `source`.
            new: name of the head in `target`.
            rows: positions of the source's feature channels among the target's; the weights of
                the target's other channels stay as they are.
        """
        first, *others = zip(self.layer_names(old), self.layer_names(new), strict=True)
        before, after = source.get_layer(first[0]), target.get_layer(first[1])
        kernel = np.array(after.kernel)
        kernel[rows] = np.asarray(before.kernel)
        after.set_weights([kernel, *before.get_weights()[1:]])
        for one, other in others:
            target.get_layer(other).set_weights(source.get_layer(one).get_weights())

    def get_config(self) -> dict:
        """The constructor's arguments, for Keras's serialization."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Head":
        """The inverse of `get_config`."""
        return cls(**config)


def dense_settings(weight_decay: float, policy) -> dict:
    """Arguments that the fully connected layers of every head have in common."""
    return {"kernel_regularizer": decay(weight_decay), "dtype": at_least_single(policy)}
