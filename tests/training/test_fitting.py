"""The recipe as Keras runs it: schedules, evaluation, non-finite losses, TensorBoard."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dvn_tf import data
from dvn_tf.errors import UserError
from dvn_tf.networks.layer_sets import decay
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.training import configuration, evaluation, fitting
from dvn_tf.training.callbacks import StopWhenNotFinite, TensorBoard
from dvn_tf.training.optimizer import make_optimizer
from dvn_tf.training.recipe import Recipe
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.sizes import output_densities


def fit(network, task_data, recipe, folder, observers=()):
    """Trains all outputs of a network."""
    objective = joint_objective(network.virtual_networks)
    outputs = network.outputs_by_task
    fitting.train(network, task_data, outputs, objective, recipe, folder, observers)


@pytest.fixture(scope="module")
def digits():
    scenario, recipe, config = configuration.read_config(
        ["gin/quickstart.gin"], ["WideResNet.width = 1", "Recipe.epochs = 2"]
    )
    return scenario, recipe, config, [data.load(task) for task in scenario.tasks]


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    scenario, recipe, config, task_data = digits
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    folder.claim(config)
    fitting.prepare_backend(recipe)
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    densities = output_densities(network, scenario.backbone)
    fit(network, task_data, recipe, folder, [TensorBoard(folder, config, densities, 3, 2)])
    return network, folder


def test_weight_decay_acts_as_in_torch():
    """d/2 w^2 in the loss moves a weight by rate * d * w, as Torch's SGD does."""
    recipe = Recipe(weight_decay=0.1, momentum=0.0, schedule="constant")
    weight = keras.Variable(np.array([2.0, -3.0], "float32"))

    with tf.GradientTape() as tape:
        loss = decay(recipe.weight_decay)(weight.value)
    gradient = tape.gradient(loss, weight.value)
    make_optimizer(recipe, 10).apply([gradient], [weight])
    np.testing.assert_allclose(weight, np.array([2.0, -3.0]) * (1 - 0.1 * 0.1), rtol=1e-6)


def test_evaluation_equals_prediction_by_hand(trained, digits):
    network, _ = trained
    _, recipe, _, task_data = digits
    outputs = evaluation.evaluate(network, task_data, network.outputs_by_task, recipe.batch_size)
    for name, (task, level, _) in network.virtual_networks.items():
        [test] = [d.test for d in task_data if d.task.name == task.name]
        logits = network.extract(task.name, level).predict(test.images.astype("float32"), verbose=0)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_p[np.arange(len(test.labels)), test.labels].mean()
        correct = int((logits.argmax(axis=1) == test.labels).sum())
        assert outputs[name]["correct"] == correct
        assert outputs[name]["total"] == len(test.labels)
        assert outputs[name]["accuracy"] == correct / len(test.labels)
        assert outputs[name]["loss"] == pytest.approx(loss, rel=1e-4)


def test_loss_falls(trained):
    _, folder = trained
    history = folder.history(epochs_done=2)
    assert len(history) == 2
    assert history[1]["loss"] < history[0]["loss"]


def test_test_loss_of_an_epoch_leaves_padding_out(trained, digits):
    """The last batch of test images is padded; Keras's own mean over batches is not exact."""
    network, folder = trained
    _, recipe, _, task_data = digits
    assert all(len(data.test) % recipe.batch_size for data in task_data)
    last = folder.history(epochs_done=2)[-1]
    outputs = evaluation.evaluate(network, task_data, network.outputs_by_task, recipe.batch_size)
    assert last["val_loss"] == pytest.approx(sum(o["loss"] for o in outputs.values()), rel=1e-5)


def test_tensorboard_names_every_output_by_its_size(trained):
    network, folder = trained
    events = EventAccumulator(str(folder.path)).Reload()
    names = {1: "26 %", 2: "full"}  # of WRN-8-1
    expected = {"loss/sum", "train/loss/sum", "learning_rate", "configuration"}
    expected |= {f"accuracy/average/{size}" for size in ("26 %", "full", "largest")}
    history = folder.history(2)
    for output, (task, level, _) in network.virtual_networks.items():
        for part, prefix in (("", "val_"), ("train/", "")):
            for figure, metric in (("accuracy", "accuracy"), ("loss", "cross_entropy")):
                tag = f"{part}{figure}/{task.name}/{names[level]}"
                expected.add(tag)
                points = events.Tensors(tag)
                # The epochs of the run: the stages before had three.
                assert [point.step for point in points] == [4, 5]
                values = [float(tf.make_ndarray(point.tensor_proto)) for point in points]
                key = f"{prefix}{output}_{metric}"
                assert values == pytest.approx([epoch[key] for epoch in history])
    assert set(events.Tags()["tensors"]) == expected
    content = events.Tensors("configuration")[0].tensor_proto.string_val[0].decode()
    assert "Recipe.momentum = 0.9" in content
    for size, level in (("26 %", 1), ("full", 2), ("largest", 2)):
        [_, last] = events.Tensors(f"accuracy/average/{size}")
        mean = np.mean([history[1][f"val_{t.name}/level{level}_accuracy"] for t in network.tasks])
        assert float(tf.make_ndarray(last.tensor_proto)) == pytest.approx(mean)


def test_mixed_precision_trains(digits, tmp_path):
    scenario, recipe, config, task_data = digits
    recipe = dataclasses.replace(recipe, dtype="mixed_bfloat16", epochs=1)
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    assert network.get_layer("group1_block1_conv1").compute_dtype == "bfloat16"
    assert network.get_layer("group1_block1_conv1").kernel.dtype == "float32"
    folder = RunFolder(tmp_path / "run")
    folder.claim(config)
    fit(network, task_data, recipe, folder)
    assert np.isfinite(folder.history(1)[0]["loss"])


def test_stops_when_the_loss_is_not_finite(digits, tmp_path):
    scenario, recipe, config, task_data = digits
    folder = RunFolder(tmp_path / "run")
    folder.claim(config)
    recipe = dataclasses.replace(recipe, epochs=4, learning_rate=1e-3)
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    one_epoch = dataclasses.replace(recipe, epochs=1)
    fit(network, task_data, one_epoch, folder)
    [checkpoint] = folder.checkpoints().values()
    before = checkpoint.read_bytes()
    broken = dataclasses.replace(recipe, learning_rate=1e30)
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    with pytest.raises(UserError, match=r"at step \d+ of epoch 2 \(the checkpoint of epoch 1 is"):
        fit(network, task_data, broken, folder)
    assert list(folder.checkpoints().values()) == [checkpoint]
    assert checkpoint.read_bytes() == before


def test_weights_that_are_not_finite_are_never_saved(digits, tmp_path):
    """An update that breaks a weight after the last loss of an epoch is seen too."""
    scenario, recipe, _, task_data = digits
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    callback = StopWhenNotFinite(RunFolder(tmp_path))
    callback.set_model(network)
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0)  # finite: nothing happens
    kernel = network.get_layer("group1_block1_conv1").kernel
    kernel.assign(kernel.numpy() * np.nan)
    with pytest.raises(UserError, match="group1_block1_conv1/kernel is no longer finite"):
        callback.on_epoch_end(0)


def test_batch_larger_than_the_dataset(digits, tmp_path):
    scenario, recipe, _, task_data = digits
    recipe = dataclasses.replace(recipe, batch_size=5000)
    network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
    with pytest.raises(UserError, match="5000"):
        fit(network, task_data, recipe, RunFolder(tmp_path))
    assert not any(pathlib.Path(tmp_path).iterdir())
