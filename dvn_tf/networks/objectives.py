"""The objectives of the paper as Keras compiles them: Eq. 4 and 6, with them Eq. 1 and 8.

The sum over outputs is Keras's own: `compile` takes one loss for each named output and adds
them with weight 1, and adds L2 once per weight, since a shared kernel is one variable.
"""

from collections.abc import Iterable

import keras


def joint_objective(output_names: Iterable[str]) -> dict:
    """Eq. 4: the plain sum of k x n_h cross-entropies, each task on its own batch.

    With one task it is Eq. 1. The gradient of a unit is then Eq. 5, the sum over the levels
    from S(i, j) on, because a lower level does not contain the unit's weights at all.

    Args:
        output_names: the outputs to learn, such as `network.virtual_networks`.

    Returns:
        Arguments for `compile`: `loss` and `weighted_metrics`, dicts by output name. Labels
        are integers; with sample weights the mean is over the weights' sum. The metrics
        "accuracy" and "cross_entropy" are exact means over the examples of an epoch.
    """
    names = list(output_names)
    return {
        "loss": {name: cross_entropy() for name in names},
        "weighted_metrics": {name: _metrics(name if len(names) == 1 else None) for name in names},
    }


def _metrics(alone: str | None) -> list[keras.metrics.Metric]:
    """The metrics of an output; Keras puts its name before theirs unless it is alone."""
    prefix = f"{alone}_" if alone else ""
    return [
        keras.metrics.SparseCategoricalAccuracy(name=f"{prefix}accuracy"),
        keras.metrics.SparseCategoricalCrossentropy(
            from_logits=True, name=f"{prefix}cross_entropy"
        ),
    ]


def cross_entropy() -> keras.losses.Loss:
    """Cross-entropy of integer labels and logits, averaged over the batch's sample weights."""
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )


def sequential_objective(
    new_outputs: Iterable[str],
    old_outputs: Iterable[str],
    temperature: float = 2.0,
    weight: float = 1.0,
) -> dict:
    """Eq. 6: cross-entropy for the new task, distillation for the old ones, on the same images.

    With one level that is the whole network it is Eq. 8, learning without forgetting. A unit's
    gradient is Eq. 7, since a level does not contain the units of the levels above it.

    Args:
        new_outputs: the new task's outputs; their labels are integers.
        old_outputs: the old tasks' outputs, as `distilling_network` gives them: logits of the
            student and of the teacher; their labels are ignored.
        temperature: T of the distillation.
        weight: of each distillation loss against each cross-entropy.

    Returns:
        Arguments for `compile`, as `joint_objective` gives, and `loss_weights`.
    """
    new, old = list(new_outputs), list(old_outputs)
    return {
        "loss": {name: cross_entropy() for name in new}
        | {name: Distillation(temperature) for name in old},
        "loss_weights": dict.fromkeys(new, 1.0) | dict.fromkeys(old, weight),
        "weighted_metrics": {name: _metrics(None) for name in new}
        | {
            name: [
                keras.metrics.MeanMetricWrapper(Distillation(temperature).call, name="distillation")
            ]
            for name in old
        },
    }


class Distillation(keras.losses.Loss):
    """The modified cross-entropy that keeps an old task (section 3.3).

    The cross-entropy of softmax(student / T) against softmax(teacher / T).

    Args:
        temperature: T; 2 in learning without forgetting.

    Call arguments:
        y_true: ignored.
        y_pred: logits (batch, 2, classes), the student's and the teacher's.

    Reference:
        Hinton et al., "Distilling the knowledge in a neural network", 2015; Li and Hoiem,
        "Learning without forgetting", ECCV 2016, Eq. 2 and 3.
    """

    def __init__(self, temperature: float = 2.0):
        super().__init__(name="distillation", reduction="mean_with_sample_weight")
        self.temperature = temperature

    def call(self, y_true, y_pred):
        student, teacher = y_pred[:, 0] / self.temperature, y_pred[:, 1] / self.temperature
        return keras.ops.categorical_crossentropy(
            keras.ops.softmax(teacher), student, from_logits=True
        )

    def get_config(self) -> dict:
        return {"temperature": self.temperature}
