"""Self-distillation against SciPy, and against autodiff of its written formula.

`test_under_jax` runs these tests again under JAX.
"""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from networks.backend_gradients import assert_same_gradients, autodiff, step_gradient
from scipy import special

from dvn_tf.networks.objectives import joint_objective
from dvn_tf.networks.self_distillation import (
    divergence,
    self_distilling_network,
    soft_labels_alone,
)

LEVELS = {"a": ["a/level1", "a/level2", "a/level3"], "b": ["b/level1", "b/level2"]}
LOWER = [name for names in LEVELS.values() for name in names[:-1]]
COMPILED = keras.backend.backend() == "jax"
CLASSES, EXAMPLES = {"a": 3, "b": 4}, 12


def build(dtype="float32"):
    """A small nested network: level l of a task reads the first 4 l of 12 shared features."""
    policy = keras.dtype_policies.get(dtype)
    inputs = {task: keras.Input((6,), name=task) for task in LEVELS}
    shared = keras.layers.Dense(12, "tanh", dtype=policy, name="shared")
    outputs = {}
    for task, names in LEVELS.items():
        features = shared(inputs[task])
        for level, name in enumerate(names, start=1):
            head = keras.layers.Dense(CLASSES[task], dtype="float32", name=name.replace("/", "_"))
            outputs[name] = head(features[:, : 4 * level])
    network = keras.Model(inputs, outputs)
    network.dtype_policy = policy
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(rng.normal(0, 0.8, variable.shape))
    return network


def batch():
    rng = np.random.default_rng(1)
    images = {task: rng.normal(size=(EXAMPLES, 6)).astype("float32") for task in LEVELS}
    labels = {task: rng.integers(0, classes, EXAMPLES) for task, classes in CLASSES.items()}
    return images, {name: labels[task] for task, names in LEVELS.items() for name in names}


def cross_entropies(logits, labels, names):
    """Their sum over outputs, by exponentials alone."""
    total = 0.0
    for name in names:
        e = ops.exp(logits[name])
        p = e / ops.sum(e, axis=1, keepdims=True)
        picked = ops.sum(p * ops.one_hot(labels[name], p.shape[-1]), axis=1)
        total -= ops.mean(ops.log(picked))
    return total


def soft_losses(logits, temperature):
    """The second sum of the module's docstring, by exponentials alone."""
    total = 0.0
    for names in LEVELS.values():
        for low, high in itertools.pairwise(names):
            p, q = (ops.exp(logits[name] / temperature) for name in (high, low))
            p, q = (e / ops.sum(e, axis=1, keepdims=True) for e in (p, q))
            p = ops.stop_gradient(p)
            total += temperature**2 * ops.mean(ops.sum(p * (ops.log(p) - ops.log(q)), axis=1))
    return total


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_scipys(temperature):
    high, low = np.random.default_rng(0).normal(0, 3, (2, 9, 5)).astype("float32")
    p, q = (special.softmax(z.astype("float64") / temperature, axis=1) for z in (high, low))
    expected = temperature**2 * special.rel_entr(p, q).sum(axis=1)
    assert expected.min() > 0.1
    np.testing.assert_allclose(divergence(high, low, temperature), expected, rtol=1e-4)
    np.testing.assert_allclose(divergence(high, high, temperature), 0, atol=1e-6)


@pytest.mark.parametrize("hard_labels", ["all", "highest"])
def test_a_step_has_the_loss_and_the_gradient_of_the_written_formula(hard_labels):
    weight, temperature = 0.7, 2.0
    network, (images, labels) = build(), batch()
    objective, learned = joint_objective(labels), list(labels)
    if hard_labels == "highest":
        objective = soft_labels_alone(objective, LEVELS)
        learned = [name for name in learned if name not in LOWER]

    def formula(logits):
        hard = cross_entropies(logits, labels, learned)
        return hard + weight * soft_losses(logits, temperature)

    loss = float(formula(network(images)))
    assert loss > float(cross_entropies(network(images), labels, learned)) + 0.1
    expected = autodiff(network, images, formula)
    assert all(np.abs(gradient).max() > 1e-3 for gradient in expected.values())
    model = self_distilling_network(network, LEVELS, weight, temperature)
    found, figures = step_gradient(model, images, labels, objective)
    assert figures["loss"] == pytest.approx(loss, rel=1e-5)
    assert_same_gradients(found, expected)
    # The metrics of all levels stay.
    kinds = ("accuracy", "cross_entropy")
    assert {f"{name}_{kind}" for name in labels for kind in kinds} < {*figures}


def test_a_higher_level_gets_no_gradient_from_the_one_that_it_teaches():
    network, (images, labels) = build(), batch()
    model = self_distilling_network(network, LEVELS, 1.0)
    soft_alone = joint_objective(labels) | {"loss_weights": dict.fromkeys(labels, 0.0)}
    found, _ = step_gradient(model, images, labels, soft_alone)
    heads = {name: found[f"{name.replace('/', '_')}/kernel"] for name in labels}
    assert {name for name, gradient in heads.items() if (gradient == 0).all()} == {
        "a/level3",
        "b/level2",
    }
    assert (found["shared/kernel"][:, 8:] == 0).all()  # which level 3 alone reads
    assert (found["shared/kernel"][:, :8] != 0).all()


@pytest.mark.parametrize(("ramp_steps", "shares"), [(0, [1] * 4), (3, [0, 1 / 3, 2 / 3, 1, 1])])
def test_the_weight_rises_linearly_and_only_in_training(ramp_steps, shares):
    network, (images, labels) = build(), batch()
    logits = network(images)
    hard = float(cross_entropies(logits, labels, labels))
    soft = float(soft_losses(logits, 1.0))
    model = self_distilling_network(network, LEVELS, 0.5, 1.0, ramp_steps)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=COMPILED, **joint_objective(labels))
    for share in shares:
        loss, *_ = model.train_on_batch(images, labels)
        assert loss == pytest.approx(hard + share * 0.5 * soft, rel=1e-4)
        model.reset_metrics()
        loss, *_ = model.test_on_batch(images, labels)  # is no step
        assert loss == pytest.approx(hard, rel=1e-4)
        model.reset_metrics()
    counted = [v.path for v in model.variables if v.path.endswith("steps_done")]
    assert len(counted) == (len(LEVELS) if ramp_steps else 0)


def test_evaluation_and_logits_are_those_of_the_network_itself():
    network, (images, labels) = build(), batch()
    model = self_distilling_network(network, LEVELS, 1.0)
    expected = network(images, training=False)
    for name, logits in model(images, training=False).items():
        np.testing.assert_array_equal(logits, expected[name])
    figures = []
    for one in (network, model):
        one.compile("sgd", run_eagerly=True, **joint_objective(labels))
        figures.append(one.test_on_batch(images, labels, return_dict=True))
    assert figures[0] == figures[1]
    assert [v.path for v in model.trainable_variables] == [
        v.path for v in network.trainable_variables
    ]


def test_half_precision_keeps_the_loss_single_and_scales_it():
    images, labels = batch()
    soft_alone = joint_objective(labels) | {"loss_weights": dict.fromkeys(labels, 0.0)}
    moved = []
    for dtype in ("float32", "mixed_float16"):
        network = build(dtype)
        model = self_distilling_network(network, LEVELS, 1e-4)  # gradients that float16 loses
        model.compile(keras.optimizers.SGD(1e4), run_eagerly=True, **soft_alone)
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (dtype == "mixed_float16")
        layers = [x for x in model.layers if x.name.endswith("self_distillation")]
        assert {layer.compute_dtype for layer in layers} == {"float32"}
        before = np.array(network.get_layer("shared").kernel)
        model.train_on_batch(images, labels)
        moved.append(before - np.array(network.get_layer("shared").kernel))
    np.testing.assert_allclose(moved[1], moved[0], rtol=0, atol=0.01 * np.abs(moved[0]).max())
