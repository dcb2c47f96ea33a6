"""Gradients of a formula and of a training step, under whichever backend Keras runs on."""

from collections.abc import Callable

import keras
import numpy as np


def autodiff(network: keras.Model, images: dict, formula: Callable) -> dict[str, np.ndarray]:
    """{path of a weight: gradient} of a formula of the network's outputs in training.

    The network's weights stay as they are.
    """
    variables = network.trainable_variables
    if keras.backend.backend() == "jax":
        import jax

        others = [variable.value for variable in network.non_trainable_variables]

        def loss(values):
            outputs, _ = network.stateless_call(values, others, images, training=True)
            return formula(outputs)

        found = jax.grad(loss)([variable.value for variable in variables])
    else:
        import tensorflow as tf

        state = network.get_weights()
        with tf.GradientTape() as tape:
            loss = formula(network(images, training=True))
        tensors = [variable.value for variable in variables]
        found = tape.gradient(loss, tensors, unconnected_gradients="zero")
        network.set_weights(state)
    return {v.path: np.array(g) for v, g in zip(variables, found, strict=True)}


def step_gradient(
    model: keras.Model, images: dict, labels: dict, objective: dict
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """What the optimizer gets in a training step: ({path of a weight: gradient}, its figures).

    The model is compiled for it. It takes the step.
    """
    sgd = keras.optimizers.SGD(1.0, momentum=0.5)  # so the first velocity is minus the gradient
    model.compile(sgd, run_eagerly=True, **objective)
    figures = model.train_on_batch(images, labels, return_dict=True)
    velocities = zip(model.trainable_variables, sgd.momentums, strict=True)
    return {v.path: -np.array(velocity) for v, velocity in velocities}, figures


def assert_same_gradients(found: dict, expected: dict, tolerance: float = 2e-4) -> None:
    """Within a tolerance relative to the largest number of each weight."""
    assert found.keys() == expected.keys()
    for path, gradient in expected.items():
        scale = max(np.abs(gradient).max(), 1e-6)
        np.testing.assert_allclose(
            found[path], gradient, rtol=0, atol=tolerance * scale, err_msg=path
        )
