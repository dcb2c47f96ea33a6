"""Training in which each step computes and learns a single level, of all tasks."""

import functools

import keras
from keras import ops

from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.shared_layers import shared_outputs
from dvn_tf.tasks import output_name


class OneLevel(keras.Model):
    """A deep virtual network that learns one level a step.

    A training step computes the virtual networks of `level` alone, of all tasks. Its loss is
    Eq. 4's sum over tasks at that level, and L2 of all kernels. What the level does not use has a
    gradient of 0 (or the decay) and is moved by its momentum and decay alone; statistics of batch
    normalization of other levels stay as they are. Metrics of an output are means over the steps
    that learned it. Otherwise every level is computed.

    The model shares all variables with the network. Keras compiles a train function for each
    level, when the level is first learned.

    Args:
        network: the network to train.

    Attributes:
        level: the level that the next training step learns, at first the highest. It may be
            changed between steps.
        outputs_of: {level: names of its outputs}.

    Reference:
        Devvrit et al., "MatFormer: nested transformer for elastic inference", NeurIPS 2024.
    """

    def __init__(self, network: DeepVirtualNetwork):
        super().__init__(network.input, network.output, name="one_level")
        self.dtype_policy = network.dtype_policy
        self.level = network.table.num_levels
        self.outputs_of = {
            level: [output_name(task.name, level) for task in network.tasks]
            for level in range(1, self.level + 1)
        }
        models = {
            level: keras.Model(network.input, shared_outputs(network, outputs))
            for level, outputs in self.outputs_of.items()
        }
        # Not the models themselves: Keras would count their layers once more.
        self._model_of = models.__getitem__
        self._computed = None  # the level whose step is being traced

    def call(self, inputs, training=None, mask=None):
        if self._computed is None:
            return super().call(inputs, training=training, mask=mask)
        return self._model_of(self._computed)(inputs, training=training)

    def make_train_function(self, force=False):
        """Keras's, one for each level behind one that chooses."""
        if self.train_function is not None and not force:
            return
        steps = {}
        for level in self.outputs_of:
            # JAX takes functions that are equal, as methods are, to be traced already.
            self.train_step = functools.partial(self._step_of, level)
            super().make_train_function(force=True)
            steps[level] = self.train_function
        del self.train_step
        self.train_function = lambda *args: steps[self.level](*args)

    def _step_of(self, level: int, *args):
        self._computed = level
        try:
            return super().train_step(*args)
        finally:
            self._computed = None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras's, over the outputs that are there."""
        unused = self._unused(y_pred)
        y_pred, sample_weight = self._with_others(y, y_pred, sample_weight)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        # A gradient of 0 and none at all are two things to TensorFlow, and one to JAX.
        return loss + 0.0 * sum(ops.sum(weight) for weight in unused) if unused else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras's, over the outputs that are there."""
        return super().compute_metrics(x, y, *self._with_others(y, y_pred, sample_weight))

    def _unused(self, y_pred) -> list[keras.Variable]:
        """The weights that some outputs do not use."""
        if len(y_pred) == len(self.output):
            return []
        used = {id(weight) for weight in self._model_of(self._computed).trainable_weights}
        return [weight for weight in self.trainable_weights if id(weight) not in used]

    def _with_others(self, y, y_pred, sample_weight) -> tuple[dict, dict]:
        """All outputs, as Keras wants them, and weights that let those that are there count."""
        if len(y_pred) == len(self.output):
            return y_pred, sample_weight
        everything, weights = {}, {}
        for name, logits in self.output.items():
            count = ops.shape(y[name])[0]
            there = name in y_pred
            everything[name] = y_pred[name] if there else ops.zeros((count, logits.shape[-1]))
            weights[name] = ops.ones((count,)) if there else ops.zeros((count,))
        return everything, weights
