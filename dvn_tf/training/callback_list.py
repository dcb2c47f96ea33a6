"""Calls the callbacks of a training without waiting for the device after each step."""

from collections.abc import Sequence

import keras

_STEP_METHODS = ("on_train_batch_end", "on_batch_end", "on_test_batch_end")


class TrainingCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a training that may take several calls of `fit`.

    Keras turns the figures of each step into Python numbers, for which it waits until the device
    has done the step; meanwhile the device has nothing to do. Callbacks with a true attribute
    `takes_tensors` get the figures as the backend holds them, and convert what they need, when
    they need it. All others get numbers, and then every step does wait.

    To the callbacks, several calls of `fit` are one: training begins and ends once, and steps are
    counted from the beginning of their epoch even if `fit` began later.

    Args:
        callbacks: the callbacks, called in this order.
        model: the model that is fitted.
        epochs: epochs of the whole training.
        steps: steps of a whole epoch.

    Attributes:
        first_step: the step of its epoch at which the next call of `fit` begins, from 0.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Model,
        epochs: int,
        steps: int,
    ):
        self.first_step = 0
        self._begun = False
        # `fit` returns the history that Keras would add, too.
        super().__init__(
            list(callbacks), add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        self._wait = any(map(_needs_numbers, self.callbacks))

    def on_train_begin(self, logs=None):
        if not self._begun:
            super().on_train_begin(logs)
        self._begun = True

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(batch + self.first_step, logs)

    def on_train_batch_end(self, batch, logs=None):
        for callback, theirs in self._step_logs(logs):
            callback.on_train_batch_end(batch + self.first_step, logs=theirs)

    def on_test_batch_end(self, batch, logs=None):
        for callback, theirs in self._step_logs(logs):
            callback.on_test_batch_end(batch, logs=theirs)

    def on_train_end(self, logs=None):
        """What Keras calls after each `fit`; see `end`."""

    def end(self):
        """Training is over."""
        super().on_train_end()

    def _step_logs(self, logs):
        """Pairs of a callback and the figures of a step as it takes them."""
        numbers = None
        if self._wait:
            numbers = {name: float(value) for name, value in sorted(logs.items())}
        for callback in self.callbacks:
            yield callback, logs if getattr(callback, "takes_tensors", False) else numbers


def _needs_numbers(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback looks at the figures of each step, and cannot take tensors."""
    methods = [getattr(callback, name) for name in _STEP_METHODS]
    looks = any(
        getattr(method, "__func__", None) is not getattr(keras.callbacks.Callback, name)
        for method, name in zip(methods, _STEP_METHODS, strict=True)
    )
    return looks and not getattr(callback, "takes_tensors", False)
