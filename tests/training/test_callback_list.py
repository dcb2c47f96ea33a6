"""Callbacks are called without waiting for the device, and as if `fit` had been called once."""

import keras
import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.training.callback_list import TrainingCallbacks
from dvn_tf.training.callbacks import StopWhenNotFinite
from dvn_tf.training.checkpoints import Reached
from dvn_tf.training.run_folder import RunFolder


class Seen(keras.callbacks.Callback):
    """Notes what it is called with."""

    def __init__(self, takes_tensors=False):
        super().__init__()
        self.takes_tensors = takes_tensors
        self.calls, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append((batch, self.params["steps"]))
        self.logs.append(logs)

    def on_train_end(self, logs=None):
        self.calls.append("end")


class Figure:
    """A figure of a step; reading it waits for the device."""

    def __init__(self, value, read=None):
        self.value, self.read = value, [] if read is None else read

    def __float__(self):
        self.read.append(self.value)
        return self.value


@pytest.fixture
def network():
    image = keras.Input((3,))
    network = keras.Model(image, keras.layers.Dense(2)(image))
    network.compile("sgd", "mse", jit_compile=False)
    return network


def fit(network, callbacks, steps, first_epoch, epochs):
    images, targets = np.ones((2 * steps, 3)), np.zeros((2 * steps, 2))
    return network.fit(
        images, targets, batch_size=2, shuffle=False, verbose=0, callbacks=callbacks,
        initial_epoch=first_epoch, epochs=epochs,
    )  # fmt: skip


def test_two_fits_are_one_training_with_one_trace(network):
    traces, compute_loss = [], network.compute_loss
    network.compute_loss = lambda *args, **kwargs: traces.append(1) or compute_loss(*args, **kwargs)
    seen = Seen()
    callbacks = TrainingCallbacks([seen], network, epochs=3, steps=4)
    callbacks.first_step = 2
    fit(network, callbacks, 2, 0, 1)
    callbacks.first_step = 0
    fit(network, callbacks, 4, 1, 3)
    assert len(traces) == 1
    callbacks.end()
    whole = [(step, 4) for step in range(4)]
    assert seen.calls == ["begin", 0, (2, 4), (3, 4), 1, *whole, 2, *whole, "end"]


def test_callbacks_get_tensors_or_numbers_as_they_like(network):
    tensors, numbers = Seen(takes_tensors=True), Seen()
    fit(network, TrainingCallbacks([tensors, numbers], network, 1, 3), 3, 0, 1)
    assert [type(logs["loss"]) for logs in numbers.logs] == [float] * 3
    assert all(keras.ops.is_tensor(logs["loss"]) for logs in tensors.logs)
    assert [float(logs["loss"]) for logs in tensors.logs] == [x["loss"] for x in numbers.logs]


def test_figures_are_read_only_for_those_who_look_at_steps(network):
    read = []
    lambdas = [
        keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None),
    ]
    for number, reads in ((0, 0), (1, 1)):
        callbacks = TrainingCallbacks([Seen(True), lambdas[number]], network, 1, 1)
        callbacks.on_train_batch_end(0, {"loss": Figure(1.0, read)})
        assert len(read) == reads


def test_a_loss_is_looked_at_while_the_next_steps_run(tmp_path, network):
    """A loss that is not finite is still named with its own step."""
    read = []
    finite = StopWhenNotFinite(RunFolder(tmp_path))
    TrainingCallbacks([finite], network, 5, 9)
    finite.on_epoch_begin(4)
    losses = [1.0, 2.0, np.nan, np.nan, np.nan]
    for step, loss in enumerate(losses[:4]):
        finite.on_train_batch_end(step, {"loss": Figure(loss, read)})
        assert read == losses[: max(0, step - 1)]
    with pytest.raises(UserError, match="the loss became nan at step 3 of epoch 5 "):
        finite.on_train_batch_end(4, {"loss": Figure(losses[4], read)})


@pytest.mark.parametrize("when", ["on_test_begin", "on_epoch_end", "check"])
def test_no_loss_of_an_epoch_is_left_unseen(when, tmp_path, network):
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(network, Reached(4, [], 7))
    finite = StopWhenNotFinite(folder)
    TrainingCallbacks([finite], network, 5, 9)
    finite.on_epoch_begin(4)
    finite.on_train_batch_end(7, {"loss": np.inf})
    arguments = {"on_test_begin": (), "on_epoch_end": (4,), "check": ("step 8",)}[when]
    with pytest.raises(UserError, match=r"inf at step 8 of .*checkpoint of epoch 5, step 7 is"):
        getattr(finite, when)(*arguments)
