"""Distillation and Eq. 6 against NumPy, and against networks called by themselves."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference_networks import randomize, task

from dvn_tf.errors import UserError
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import Distillation, sequential_objective
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitTable

A, B, C = task("a"), task("b", classes=5), task("c", classes=4)
EXAMPLES = 12


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def distillations(student, teacher, temperature):
    """- sum over classes of softmax(teacher / T) log softmax(student / T), of every example."""
    student, teacher = np.asarray(student, "float64"), np.asarray(teacher, "float64")
    log_student = np.log(softmax(student / temperature))
    return -(softmax(teacher / temperature) * log_student).sum(axis=-1)


# --------------------------------------------------------------- the loss


@pytest.mark.parametrize("weights", [None, (1.0, 0.0, 2.0, 0.5, 0.0, 3.0)])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_distillation_is_the_cross_entropy_of_tempered_softmaxes(temperature, weights):
    logits = np.random.default_rng(0).normal(0, 4, (6, 2, 5)).astype("float32")
    labels = np.arange(6)  # of another task: ignored
    expected = np.average(distillations(logits[:, 0], logits[:, 1], temperature), weights=weights)
    sample_weight = None if weights is None else np.array(weights, "float32")
    found = Distillation(temperature)(labels, logits, sample_weight)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_temperature_is_learning_without_forgettings():
    logits = np.random.default_rng(0).normal(0, 4, (6, 2, 5)).astype("float32")
    expected = distillations(logits[:, 0], logits[:, 1], 2.0).mean()
    np.testing.assert_allclose(Distillation()(np.zeros(6), logits), expected, rtol=1e-5)
    [loss] = sequential_objective([], ["old"])["loss"].values()
    np.testing.assert_allclose(loss(np.zeros(6), logits), expected, rtol=1e-5)


def test_its_gradient_moves_the_student_towards_the_teacher():
    """d/ds of the mean is (softmax(s/T) - softmax(t/T)) / T / n; the teacher's is left unused."""
    logits = np.random.default_rng(0).normal(0, 4, (6, 2, 5)).astype("float32")
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = Distillation(2.0)(np.zeros(6), variable)
    found = tape.gradient(loss, variable).numpy()[:, 0]
    expected = (softmax(logits[:, 0] / 2) - softmax(logits[:, 1] / 2)) / 2 / 6
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_large_logits_stay_finite():
    logits = np.array([[[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]]], "float32")
    np.testing.assert_allclose(Distillation(2.0)(np.zeros(1), logits), 1e4, rtol=1e-5)


# --------------------------------------------------------------- the network


@functools.cache
def pair():
    """(student, teacher) of the third task of a sequence."""
    student = DeepVirtualNetwork((A, B, C), UnitTable.by_rule(3), WideResNet(8, 1))
    table = UnitTable(UnitTable.by_rule(2).rows, 3)
    partition = student.partition
    teacher = DeepVirtualNetwork((A, B), table, WideResNet(8, 1), partition)
    randomize(student, 1)
    randomize(teacher, 2)
    return student, teacher


def new_images(size=EXAMPLES):
    return np.random.default_rng(5).uniform(0, 255, (size, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
def test_student_and_teacher_see_the_new_images_through_the_old_input_layers(training):
    student, teacher = pair()
    model = distilling_network(student, teacher, "c")
    assert list(model.input) == ["c"]
    images = new_images()
    weights = student.get_weights()
    found = model({"c": images}, training=training)
    student.set_weights(weights)  # training moves the moving statistics
    expected = student(dict.fromkeys("abc", images), training=training)
    student.set_weights(weights)
    kept = teacher(dict.fromkeys("ab", images), training=False)
    assert list(found) == list(student.virtual_networks)
    for name, (info, _, _) in student.virtual_networks.items():
        if info.name == "c":
            assert found[name].shape == (EXAMPLES, 4)
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
            continue
        assert found[name].shape == (EXAMPLES, 2, info.num_classes)
        np.testing.assert_allclose(found[name][:, 0], expected[name], atol=1e-6)
        # Whatever the level, the goal is the best that the old network knows of the task.
        np.testing.assert_allclose(found[name][:, 1], kept[f"{info.name}/level2"], atol=1e-6)


def test_training_moves_the_student_and_leaves_the_teacher_bit_for_bit():
    student, teacher = (network.from_config(network.get_config()) for network in pair())
    for seed, network in enumerate((student, teacher)):
        randomize(network, seed)
    model = distilling_network(student, teacher, "c")
    new = [name for name in student.virtual_networks if name.startswith("c")]
    old = [name for name in student.virtual_networks if name not in new]
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)
    model.compile(optimizer, run_eagerly=True, **sequential_objective(new, old))
    kept, moved = teacher.get_weights(), student.get_weights()
    labels = dict.fromkeys(model.output, np.arange(EXAMPLES) % 3)
    for _ in range(2):
        model.train_on_batch({"c": new_images()}, labels)
    for before, after in zip(kept, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    for before, after, weight in zip(moved, student.get_weights(), student.weights, strict=True):
        assert (after != before).any(), weight.path
    # The teacher has no part in what is trained.
    assert {id(w) for w in model.trainable_weights} == {id(w) for w in student.trainable_weights}


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_the_compiled_loss_is_eq_6_and_its_metrics_leave_padding_out(weight):
    student, teacher = pair()
    model = distilling_network(student, teacher, "c")
    new = [name for name in student.virtual_networks if name.startswith("c")]
    old = [name for name in student.virtual_networks if name not in new]
    objective = sequential_objective(new, old, temperature=3.0, weight=weight)
    model.compile("sgd", run_eagerly=True, **objective)
    images, labels = new_images(), np.arange(EXAMPLES) % 4
    sample_weight = (np.arange(EXAMPLES) < 9).astype("float32")
    outputs = model({"c": images}, training=False)
    terms = {}
    for name, values in outputs.items():
        values = np.asarray(values, "float64")[:9]
        if name in new:
            terms[name] = -np.log(softmax(values)[np.arange(9), labels[:9]]).mean()
        else:
            terms[name] = distillations(values[:, 0], values[:, 1], 3.0).mean()
    found = model.test_on_batch(
        {"c": images},
        dict.fromkeys(outputs, labels),
        dict.fromkeys(outputs, sample_weight),
        return_dict=True,
    )
    total = sum(terms[name] for name in new) + weight * sum(terms[name] for name in old)
    np.testing.assert_allclose(found["loss"], total, rtol=1e-5)
    for name, value in terms.items():
        kind = "cross_entropy" if name in new else "distillation"
        np.testing.assert_allclose(found[f"{name}_{kind}"], value, rtol=1e-5)


def test_images_of_another_size_are_resized_for_an_old_task():
    big = task("big", 16, classes=3)
    student = DeepVirtualNetwork((big, B), UnitTable.by_rule(2), WideResNet(8, 1))
    teacher = DeepVirtualNetwork(
        (big,), UnitTable((((1,),),), 2), WideResNet(8, 1), student.partition, map_size=8
    )
    model = distilling_network(student, teacher, "b")
    images = new_images(2)
    twice = np.asarray(tf.image.resize(images, (16, 16), "bilinear"))
    expected = student({"big": twice, "b": images}, training=False)
    kept = teacher({"big": twice}, training=False)
    found = model({"b": images}, training=False)
    np.testing.assert_allclose(found["big/level2"][:, 0], expected["big/level2"], atol=1e-5)
    np.testing.assert_allclose(found["big/level2"][:, 1], kept["big/level1"], atol=1e-5)


def test_images_of_other_channels_cannot_keep_an_old_task():
    grey = TaskInfo("grey", 3, (8, 8, 1))
    student = DeepVirtualNetwork((grey, B), UnitTable.by_rule(2), WideResNet(8, 1))
    with pytest.raises(UserError, match="task grey has images of 1 channels and b of 3"):
        distilling_network(student, pair()[1], "b")
