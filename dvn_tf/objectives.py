"""The objectives of the paper as Keras compiles them: Eq. 4, and with it Eq. 1 and 5.

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
        "weighted_metrics": {
            name: [
                keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
                keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
            ]
            for name in names
        },
    }


def cross_entropy() -> keras.losses.Loss:
    """Cross-entropy of integer labels and logits, averaged over the batch's sample weights."""
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
