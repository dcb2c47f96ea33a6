"""Callbacks of training: checkpoints, progress, TensorBoard, a loss that is not finite."""

import math
import time

import keras
import numpy as np
import tensorflow as tf

from dvn_tf.errors import UserError
from dvn_tf.training.run_folder import RunFolder

_LOSSES = ("_cross_entropy", "_distillation")
_TITLES = {"_accuracy": "accuracy/", "_cross_entropy": "loss/", "_distillation": "distillation/"}


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
        self.history.append(dict(sorted(epoch_figures(logs).items())) | seconds)
        # The checkpoint comes last: it says that all else of the epoch is written.
        self.folder.write_history(self.history)
        self.folder.save_checkpoint(self.model, epoch + 1)


class Progress(keras.callbacks.ProgbarLogger):
    """Keras's progress bar with the summed loss and the mean accuracy of all outputs.

    A line cannot show the figures of k x n_h outputs one by one; TensorBoard does.
    """

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, _summary(logs))

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, _summary(logs))

    def on_test_batch_end(self, batch, logs=None):
        super().on_test_batch_end(batch, _summary(logs))


class TensorBoard(keras.callbacks.Callback):
    """Writes every output's loss and accuracy, under names that sort by task and level.

    Tags are "accuracy/<task>/level<l>" and "loss/<task>/level<l>", for an old task
    "distillation/<task>/level<l>", in the runs "train" and "test". The summed loss, the learning
    rate and the configuration as text are written, too.

    Args:
        log_dir: folder of the event files.
        config: the operative configuration in gin's syntax.
    """

    def __init__(self, log_dir, config: str):
        super().__init__()
        self.log_dir = log_dir
        self.config = config

    def on_train_begin(self, logs=None):
        self.writers = {
            name: tf.summary.create_file_writer(str(self.log_dir / name))
            for name in ("train", "test")
        }
        with self.writers["train"].as_default():
            text = "".join(f"    {line}\n" for line in self.config.splitlines())
            tf.summary.text("configuration", text, step=0)  # indented: a block of code

    def on_epoch_end(self, epoch, logs=None):
        for name, value in epoch_figures(logs).items():
            part = "test" if name.startswith("val_") else "train"
            tag = name.removeprefix("val_")
            if tag == "loss":
                self._write(part, "loss/sum", value, epoch)
            for metric, title in _TITLES.items():
                if tag.endswith(metric):
                    self._write(part, title + tag.removesuffix(metric), value, epoch)
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self._write("train", "learning_rate", rate, epoch)
        for writer in self.writers.values():
            writer.flush()

    def _write(self, part, tag, value, epoch):
        with self.writers[part].as_default():
            tf.summary.scalar(tag, value, step=epoch + 1)

    def on_train_end(self, logs=None):
        for writer in self.writers.values():
            writer.close()


def epoch_figures(logs: dict) -> dict[str, float]:
    """The logs of an epoch, without the losses of Keras that padding distorts.

    Batches of test images are padded where one task has fewer images than another. Metrics ignore
    the padding, but Keras's own losses are means over all batches, including empty ones. The test
    loss is therefore the sum of the outputs' cross-entropies (Eq. 4 or 6, without the L2 term).

    Args:
        logs: as Keras hands them to callbacks.

    Returns:
        "loss", "<output>_accuracy" and "<output>_cross_entropy" or "<output>_distillation", the
        same with "val_" for the test images where there are any.
    """
    figures = {
        name: float(value)
        for name, value in logs.items()
        if name == "loss" or name.endswith(tuple(_TITLES))
    }
    test = [v for n, v in figures.items() if n.startswith("val_") and n.endswith(_LOSSES)]
    return figures | ({"val_loss": sum(test)} if test else {})


def _summary(logs: dict) -> dict[str, float]:
    """{"loss": ..., "accuracy": ...}, and the same of the test images where there are any."""
    figures = epoch_figures(logs)
    short = {}
    for prefix in ("", "val_"):
        accuracies = [
            value
            for name, value in figures.items()
            if name.endswith("_accuracy") and name.startswith("val_") == bool(prefix)
        ]
        if accuracies and f"{prefix}loss" in figures:
            short[f"{prefix}loss"] = figures[f"{prefix}loss"]
            short[f"{prefix}accuracy"] = sum(accuracies) / len(accuracies)
    return short
