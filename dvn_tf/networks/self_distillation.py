"""Self-distillation: each level of a task also learns from the next higher one.

    L = sum over l of CE_l  +  weight * sum over l < n_h of T^2 KL(p_{l+1} || p_l)

where p_l = softmax(logits of level l / T), and p_{l+1} takes no gradient. It costs no further pass.

Reference:
    Yu and Huang, "Universally slimmable networks and improved training techniques", ICCV 2019,
    section 3.3, "inplace distillation". There, all lower widths learn from the largest, and from
    labels not at all; here, each level learns from the next higher one, by default beside the
    labels. Hinton et al., "Distilling the knowledge in a neural network", 2015, multiply by T^2,
    so that the gradient keeps its size when T changes.
"""

from collections.abc import Mapping, Sequence

import keras
from keras import ops

from dvn_tf.networks.layer_sets import at_least_single


def divergence(teacher, student, temperature: float = 1.0):
    """T^2 KL(p || q), from a teacher's p, which takes no gradient, to a student's q.

    Args:
        teacher: logits (batch, classes); p = softmax(teacher / T).
        student: logits (batch, classes); q = softmax(student / T).
        temperature: T.

    Returns:
        (batch,), one number an example.
    """
    log_p = ops.log_softmax(ops.stop_gradient(teacher) / temperature)
    log_q = ops.log_softmax(student / temperature)
    return temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


@keras.saving.register_keras_serializable("dvn_tf")
class SelfDistillation(keras.layers.Layer):
    """Adds the loss of one task's levels while they are trained, and changes no logits.

    Args:
        weight: of every divergence; cross-entropies have weight 1.
        temperature: T, see `divergence`.
        ramp_steps: the number of steps over which the weight rises linearly from 0. A variable
            counts them, so that a checkpoint knows the weight.

    Call arguments:
        logits: for each level, the lowest first, (batch, classes).
        training: whether to add the loss, the mean over the batch.

    Returns:
        The logits.
    """

    def __init__(
        self, weight: float = 1.0, temperature: float = 1.0, ramp_steps: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        self.weight = weight
        self.temperature = temperature
        self.ramp_steps = ramp_steps

    def build(self, input_shape):
        if self.ramp_steps:
            self.steps_done = self.add_weight(
                name="steps_done", shape=(), initializer="zeros", dtype="int32", trainable=False
            )

    def call(self, logits, training=False):
        if training:
            pairs = zip(logits[1:], logits[:-1], strict=True)
            losses = [ops.mean(divergence(high, low, self.temperature)) for high, low in pairs]
            self.add_loss(self._weight_now() * sum(losses))
            if self.ramp_steps:
                self.steps_done.assign_add(1)
        return logits

    def compute_output_spec(self, logits, training=False):
        # Keras would trace `call`, or refuse tensors that are inputs as well.
        return [keras.KerasTensor(one.shape, dtype=self.compute_dtype) for one in logits]

    def _weight_now(self):
        if not self.ramp_steps:
            return self.weight
        share = ops.cast(self.steps_done, self.compute_dtype) / self.ramp_steps
        return self.weight * ops.minimum(share, 1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "weight": self.weight,
            "temperature": self.temperature,
            "ramp_steps": self.ramp_steps,
        }


def self_distilling_network(
    model: keras.Model,
    levels: Mapping[str, Sequence[str]],
    weight: float,
    temperature: float = 1.0,
    ramp_steps: int = 0,
) -> keras.Model:
    """A model with the same inputs, outputs and weights in which each level teaches the one below.

    Training it trains `model`, whose own losses it has too. Evaluation gives the same.

    Args:
        model: a functional model from a dict of images to a dict of logits.
        levels: {task: the names of its outputs, the lowest level first}, for tasks that learn
            from labels.
        weight: see `SelfDistillation`.
        temperature: see `SelfDistillation`.
        ramp_steps: see `SelfDistillation`.
    """
    outputs = dict(model.output)
    for task, names in levels.items():
        layer = SelfDistillation(
            weight,
            temperature,
            ramp_steps,
            dtype=at_least_single(model.dtype_policy),
            name=f"{task}_self_distillation",
        )
        outputs |= zip(names, layer([outputs[name] for name in names]), strict=True)
    teaching = keras.Model(model.input, outputs, name="self_distilling_network")
    teaching.dtype_policy = model.dtype_policy
    return teaching


def soft_labels_alone(objective: dict, levels: Mapping[str, Sequence[str]]) -> dict:
    """An objective in which only the highest level of each task learns from labels.

    Args:
        objective: arguments for `compile`, see `dvn_tf.networks.objectives`.
        levels: as for `self_distilling_network`.

    Returns:
        The same with the cross-entropy of every lower level at weight 0. Metrics stay.
    """
    weights = dict.fromkeys(objective["loss"], 1.0) | objective.get("loss_weights", {})
    lower = [name for names in levels.values() for name in names[:-1]]
    return objective | {"loss_weights": weights | dict.fromkeys(lower, 0.0)}
