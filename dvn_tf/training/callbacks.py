"""Callbacks of training: checkpoints, TensorBoard, a loss that is not finite."""

import math
import sys
import time
import types
from collections.abc import Mapping

import keras
import numpy as np

from dvn_tf.errors import UserError
from dvn_tf.training.event_files import EventFile, scalar, text
from dvn_tf.training.provenance import backend_in_use
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.tensorboard import epoch_figures, epoch_scalars


class StopWhenNotFinite(keras.callbacks.Callback):
    """Ends a run before a loss that is NaN or infinite reaches a checkpoint.

    Args:
        folder: the run's folder, whose last checkpoint the message names.

    Raises:
        UserError: at the first step with such a loss, or at the end of an epoch after which a
            weight is not finite.
    """

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # The running mean of an epoch stays NaN or infinite once a batch was.
        if not math.isfinite(logs["loss"]):
            self._stop(f"the loss became {logs['loss']} at step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        # No loss has seen the last update of an epoch yet.
        for weight in self.model.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                self._stop(f"{weight.path} is no longer finite after the last step")

    def _stop(self, what):
        kept = list(self.folder.checkpoints())
        last = f"the checkpoint of epoch {kept[-1]} is kept" if kept else "no checkpoint yet"
        raise UserError(
            f"{what} of epoch {self.epoch + 1} ({last}): train with a lower Recipe.learning_rate, "
            "in another --run_dir"
        )


class SaveEpochs(keras.callbacks.Callback):
    """Writes the history and a checkpoint after every epoch.

    Args:
        folder: the run's folder.
        history: the logs of the epochs before this start.
    """

    def __init__(self, folder: RunFolder, history: list[dict]):
        super().__init__()
        self.folder = folder
        self.history = list(history)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = {"seconds": round(time.perf_counter() - self.started, 3)}
        figures = dict(sorted(epoch_figures(logs).items()))
        self.history.append(figures | seconds | {"backend": backend_in_use()})
        # The checkpoint comes last: it says that all else of the epoch is written.
        self.folder.write_history(self.history)
        self.folder.save_checkpoint(self.model, epoch + 1, self.history)


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
    """

    def __init__(
        self,
        folder: RunFolder,
        config: str,
        densities: Mapping[str, float],
        epochs_before: int = 0,
        num_tasks: int = 1,
        earlier: Mapping[str, float] = types.MappingProxyType({}),
    ):
        super().__init__()
        self.folder = folder
        self.config = config
        self.densities = densities
        self.epochs_before = epochs_before
        self.num_tasks = num_tasks
        self.earlier = dict(earlier)
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
        step = self.epochs_before + epoch + 1
        self.file.write((scalar(tag, value), step) for tag, value in scalars.items())

    def on_train_end(self, logs=None):
        if self.file is not None:
            self.file.close()
