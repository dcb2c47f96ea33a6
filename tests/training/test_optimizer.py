"""The optimizer and its schedules against formulas written by hand."""

import keras
import numpy as np
import pytest

from dvn_tf.training.optimizer import LinearWarmup, MomentumSGD, make_optimizer
from dvn_tf.training.recipe import Recipe


def rates(recipe: Recipe, steps_per_epoch: int) -> np.ndarray:
    """The learning rate at every step, as the optimizer uses it."""
    optimizer = make_optimizer(recipe, steps_per_epoch)
    optimizer.build([keras.Variable(0.0)])
    values = []
    for step in range(recipe.epochs * steps_per_epoch):
        optimizer.iterations.assign(step)
        values.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return np.array(values)


def test_step_schedule_is_the_wrn_papers():
    by_epoch = rates(Recipe(epochs=200), steps_per_epoch=2).reshape(200, 2)
    expected = np.repeat([0.1, 0.02, 0.004, 0.0008], [60, 60, 40, 40])
    np.testing.assert_allclose(by_epoch[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(by_epoch[:, 1], expected, rtol=1e-6)


def test_cosine_schedule_with_warmup():
    recipe = Recipe(epochs=10, schedule="cosine", warmup_epochs=2)
    values = rates(recipe, steps_per_epoch=5)
    np.testing.assert_allclose(values[:10], 0.1 * np.arange(10) / 10, atol=1e-7)
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(40) / 40))
    np.testing.assert_allclose(values[10:], expected, atol=1e-7)


def test_step_schedule_with_warmup_keeps_its_milestones():
    recipe = Recipe(epochs=10, milestones=(0.5,), decay_factor=0.2, warmup_epochs=2.0)
    values = rates(recipe, steps_per_epoch=4)
    expected = np.repeat([0.1, 0.02], 20)
    expected[:8] *= np.arange(8) / 8
    np.testing.assert_allclose(values, expected, atol=1e-8)


def test_constant_schedule_with_and_without_warmup():
    assert set(rates(Recipe(epochs=2, schedule="constant"), 3)) == {np.float32(0.1).item()}
    values = rates(Recipe(epochs=4, schedule="constant", warmup_epochs=1.5), 2)
    np.testing.assert_allclose(values, 0.1 * np.minimum(1, np.arange(8) / 3), atol=1e-8)


@pytest.mark.parametrize(
    "inner", [0.1, keras.optimizers.schedules.PiecewiseConstantDecay([3], [1.0, 0.5])]
)
def test_a_warmup_comes_back_from_its_config(inner):
    warmup = LinearWarmup(inner, 4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(warmup))
    for step in range(8):
        assert float(again(step)) == float(warmup(step))


def test_momentum_of_the_papers_settings():
    optimizer = make_optimizer(Recipe(), 10)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


RATES = [0.1, 0.1, 0.1, 0.02, 0.02]  # a drop before the fourth of five steps


def steps_of(optimizer, gradients):
    weight = keras.Variable(np.zeros(3, "float32"))
    weights = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        weights.append(np.array(weight))
    return np.array(weights)


def torch_sgd(gradients, momentum, nesterov):
    """The documented algorithm of torch.optim.SGD, without dampening and decay."""
    weight, buffer, weights = np.zeros(3), None, []
    for rate, gradient in zip(RATES, gradients, strict=True):
        buffer = gradient if buffer is None else momentum * buffer + gradient
        weight = weight - rate * (gradient + momentum * buffer if nesterov else buffer)
        weights.append(weight)
    return np.array(weights)


def tensorflow_1_momentum(gradients, momentum, nesterov):
    """The kernel ApplyMomentum, which TensorFlow 1's MomentumOptimizer runs."""
    weight, accumulator, weights = np.zeros(3), np.zeros(3), []
    for rate, gradient in zip(RATES, gradients, strict=True):
        accumulator = accumulator * momentum + gradient
        if nesterov:
            weight = weight - (gradient * rate + accumulator * momentum * rate)
        else:
            weight = weight - rate * accumulator
        weights.append(weight)
    return np.array(weights)


@pytest.mark.parametrize("reference", [torch_sgd, tensorflow_1_momentum])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.9, False), (0.5, True)])
def test_five_steps_with_a_rate_drop_between_them(reference, momentum, nesterov):
    gradients = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.02])
    ours = steps_of(MomentumSGD(schedule, momentum=momentum, nesterov=nesterov), gradients)
    expected = reference(gradients, momentum, nesterov)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    # Keras's own agrees until the rate drops, and not after.
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.02])
    kerass = steps_of(keras.optimizers.SGD(schedule, momentum, nesterov), gradients)
    np.testing.assert_allclose(kerass[:3], expected[:3], rtol=1e-5, atol=1e-7)
    assert np.abs(kerass[3:] - expected[3:]).max() > 0.01


def test_without_momentum_it_is_plain_gradient_descent():
    gradients = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    ours = steps_of(MomentumSGD(0.1), gradients)
    np.testing.assert_allclose(ours, -0.1 * np.cumsum(gradients, axis=0), rtol=1e-5)
