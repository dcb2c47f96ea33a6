"""Callbacks of training: checkpoints, TensorBoard, a loss that is not finite."""

import collections
import math
import sys
import time
import types
from collections.abc import Mapping

import keras
import numpy as np

from dvn_tf.errors import UserError
from dvn_tf.training.checkpoints import Reached
from dvn_tf.training.event_files import EventFile, scalar, text
from dvn_tf.training.progress import Timing
from dvn_tf.training.provenance import backend_in_use
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import Stop, Stopped
from dvn_tf.training.tensorboard import epoch_figures, epoch_scalars

_STEPS_AHEAD = 2  # that the host may be ahead of the device


class StopWhenNotFinite(keras.callbacks.Callback):
    """Ends a run before a loss that is NaN or infinite reaches a checkpoint.

    A loss is looked at two steps late, while the device is busy with the next ones.

    Args:
        folder: the run's folder, whose last checkpoint the message names.

    Raises:
        UserError: after the first step with such a loss, or before a checkpoint that would have a
            weight that is not finite.
    """

    takes_tensors = True

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder
        self.epoch = 0
        self._losses = collections.deque()  # (step, loss) of the last steps

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._losses.append((batch + 1, logs["loss"]))
        if len(self._losses) > _STEPS_AHEAD:
            self._check_loss()

    def on_test_begin(self, logs=None):
        self._check_losses()

    def on_epoch_end(self, epoch, logs=None):
        self.check("the last step")

    def check(self, step: str) -> None:
        """Checks everything up to the step that was done last.

        Args:
            step: the step's name in the message.
        """
        self._check_losses()
        # No loss has seen the last update yet.
        for weight in self.model.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                self._stop(f"{weight.path} is no longer finite after {step}")

    def _check_losses(self):
        while self._losses:
            self._check_loss()

    def _check_loss(self):
        step, loss = self._losses.popleft()
        # The running mean of an epoch stays NaN or infinite once a batch was.
        if not math.isfinite(loss := float(loss)):
            self._stop(f"the loss became {loss} at step {step}")

    def _stop(self, what):
        kept = self.folder.last_checkpoint()
        last = f"the checkpoint of {place(*kept)} is kept" if kept else "no checkpoint yet"
        raise UserError(
            f"{what} of epoch {self.epoch + 1} ({last}): train with a lower Recipe.learning_rate, "
            "in another --run_dir"
        )


class SaveEpochs(keras.callbacks.Callback):
    """Writes the history and a checkpoint after every epoch, and a checkpoint where a run stops.

    Args:
        folder: the run's folder.
        reached: how far the starts of the run before this one came.
    """

    def __init__(self, folder: RunFolder, reached: Reached):
        super().__init__()
        self.folder = folder
        self.history = list(reached.history)
        self._before = reached
        self._began = time.perf_counter()
        self._metrics = None  # after the last step of an epoch, while it is evaluated

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._metrics = time.perf_counter(), None
        if epoch == self._before.epochs:
            # An epoch that was begun before. Keras has just reset the metrics.
            self._began -= self._before.seconds
            variables = self.model.metrics_variables
            for number, value in self._before.metrics.items():
                variables[number].assign(value)

    def on_test_begin(self, logs=None):
        self._metrics = self._metrics_now()  # Keras resets them next

    def on_epoch_end(self, epoch, logs=None):
        seconds = {"seconds": self._seconds()}
        figures = dict(sorted(epoch_figures(logs).items()))
        self.history.append(figures | seconds | {"backend": backend_in_use()})
        # The checkpoint comes last: it says that all else of the epoch is written.
        self.folder.write_history(self.history)
        self.folder.save_checkpoint(self.model, Reached(epoch + 1, self.history))

    def save_step(self, step: int) -> None:
        """Writes a checkpoint within an epoch.

        Args:
            step: steps done of the epoch.
        """
        metrics = self._metrics or self._metrics_now()
        reached = Reached(len(self.history), self.history, step, self._seconds(), metrics)
        self.folder.save_checkpoint(self.model, reached)

    def _metrics_now(self) -> dict[int, np.ndarray]:
        return dict(enumerate(map(keras.ops.convert_to_numpy, self.model.metrics_variables)))

    def _seconds(self) -> float:
        """How long the epoch has taken, in all starts of the run."""
        return round(time.perf_counter() - self._began, 3)


class StopOnRequest(keras.callbacks.Callback):
    """Ends a run after the step at which it was asked to stop, with a checkpoint of it.

    An evaluation ends at once, too, and is done anew by the next start.

    Args:
        stop: is asked after each step.
        finite: checks what is going to be written.
        saving: writes it.

    Raises:
        Stopped: after the checkpoint is written.
    """

    takes_tensors = True

    def __init__(self, stop: Stop, finite: StopWhenNotFinite, saving: SaveEpochs):
        super().__init__()
        self.stop = stop
        self.finite = finite
        self.saving = saving
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._ask(batch + 1)

    def on_test_batch_end(self, batch, logs=None):
        self._ask(self.params["steps"])

    def _ask(self, step: int):
        steps = self.params["steps"]
        done = self.epoch * steps + step
        if self.stop.requested(done):
            self.finite.check(f"step {step}")
            self.saving.save_step(step)
            raise Stopped(done, self.epoch + 1, step, steps)


def place(epochs: int, step: int, steps: int | None = None) -> str:
    """A place in a training: "epoch 2", or within the next "epoch 3, step 458 of 782".

    Args:
        epochs: the epochs done.
        step: steps done of the next epoch.
        steps: steps of an epoch, if they are to be named.
    """
    if not step:
        return f"epoch {epochs}"
    return f"epoch {epochs + 1}, step {step:,}" + ("" if steps is None else f" of {steps:,}")


class KerasProgress(keras.callbacks.ProgbarLogger):
    """Keras's own progress bar, with every loss and metric; one line an epoch in a log file."""

    def set_params(self, params):
        super().set_params(params | {"verbose": 1 if sys.stdout.isatty() else 2})


class TensorBoard(keras.callbacks.Callback):
    """Writes the figures of every epoch for TensorBoard, see `dvn_tf.training.tensorboard`.

    Args:
        folder: the run's folder, which all its stages share.
        config: the operative configuration in gin's syntax.
        densities: the density of every output of the network, see `output_densities`.
        epochs_before: the epochs of the stages before. Steps count the epochs of the whole run.
        num_tasks: the number of tasks of the scenario.
        earlier: see `epoch_scalars`.
        timing: measures the training; None leaves its figures out.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: str,
        densities: Mapping[str, float],
        epochs_before: int = 0,
        num_tasks: int = 1,
        earlier: Mapping[str, float] = types.MappingProxyType({}),
        timing: Timing | None = None,
    ):
        super().__init__()
        self.folder = folder
        self.config = config
        self.densities = densities
        self.epochs_before = epochs_before
        self.num_tasks = num_tasks
        self.earlier = dict(earlier)
        self.timing = timing
        self.file = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.file is None:
            self.file = EventFile(self.folder.path, self.epochs_before + epoch + 1)
            if self.file.first:
                code = "".join(f"    {line}\n" for line in self.config.splitlines())
                self.file.write([(text("configuration", code), 0)])

    def on_epoch_end(self, epoch, logs=None):
        scalars = epoch_scalars(epoch_figures(logs), self.densities, self.num_tasks, self.earlier)
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        scalars["learning_rate"] = float(rate)
        scalars |= self.timing.scalars() if self.timing is not None else {}
        step = self.epochs_before + epoch + 1
        self.file.write((scalar(tag, value), step) for tag, value in scalars.items())

    def on_train_end(self, logs=None):
        if self.file is not None:
            self.file.close()
