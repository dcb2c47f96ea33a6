"""Training in which lower levels see a part of each batch, while the highest sees all of it."""

import keras

from dvn_tf.errors import UserError
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.shared_layers import shared_outputs


class Slot(keras.layers.Layer):
    """In training, every n-th image of a batch; otherwise all of them.

    Args:
        number: the slot, from 0, which is that of its first image.
        count: n, the number of slots.

    Call arguments:
        inputs: (batch, ...).
        training: whether to take the slot alone.
    """

    def __init__(self, number: int, count: int, **kwargs):
        super().__init__(**kwargs)
        self.number = number
        self.count = count

    def call(self, inputs, training=False):
        return _slot(inputs, self.number, self.count) if training else inputs

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


def _slot(batch, number: int, count: int):
    # Not `count` runs of images: what lies on several devices in parts stays divided evenly.
    return batch[number::count]


class LowerBatches(keras.Model):
    """A deep virtual network whose lower levels learn from a slot of each batch.

    A batch has as many slots as there are levels, of equal size up to one image. In training,
    level l below the highest computes images l, l + n_h, l + 2 n_h, ... of its task's batch and
    nothing else from its first convolution on; its loss and its metrics are means over these.
    A batch is a random draw, so the expected gradient is that of Eq. 4. Otherwise every level
    computes all images.

    The model shares all variables with the network. In training, the logits of a lower level are
    those of its slot, (slot, classes), and labels are given for the whole batch.

    Args:
        network: the network to train.
        batch_size: images of each task in a step.

    Raises:
        UserError: if a batch has fewer images than the network has levels.
    """

    def __init__(self, network: DeepVirtualNetwork, batch_size: int):
        highest = network.table.num_levels
        if batch_size < highest:
            raise UserError(
                f"a batch of {batch_size} images has none for some of {highest} levels: raise "
                f"Recipe.batch_size to {highest} at least, or leave DVN.lower_batches = 'share' out"
            )
        slots = [
            Slot(number, highest, dtype=network.policy, name=f"slot_of_level{number + 1}")
            for number in range(highest - 1)
        ]

        def between(stem, task, level):
            return stem if level == highest else slots[level - 1](stem)

        outputs = shared_outputs(network, list(network.virtual_networks), between)
        super().__init__(network.input, outputs, name="lower_batches")
        self.dtype_policy = network.dtype_policy
        self.num_slots = highest
        self.slot_numbers = {n: level - 1 for n, (_, level, _) in network.virtual_networks.items()}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras's, with the labels of each level's images."""
        return super().compute_loss(x, self._labels(y, y_pred), y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras's, with the labels of each level's images."""
        return super().compute_metrics(x, self._labels(y, y_pred), y_pred, sample_weight)

    def _labels(self, y, y_pred) -> dict:
        # Keras does not say to metrics whether it trains, but the logits do.
        return {
            name: labels
            if y_pred[name].shape[0] == labels.shape[0]
            else _slot(labels, self.slot_numbers[name], self.num_slots)
            for name, labels in y.items()
        }
