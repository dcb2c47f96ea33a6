"""Which level a training step learns, where each learns one."""

import keras
import numpy as np


def drawn_level(seed: int, step: int, num_levels: int) -> int:
    """A level from 1 to `num_levels`, all equally likely, by seed and step alone.

    Args:
        seed: the run's seed.
        step: the number of steps before this one, over all epochs.
        num_levels: n_h.
    """
    return int(np.random.default_rng((seed, step)).integers(num_levels)) + 1


class DrawLevel(keras.callbacks.Callback):
    """Draws the level of each step for a `OneLevel`.

    A level that no step of an epoch learned has no metrics of the training images in its logs, so
    this callback comes before those that read them.

    Args:
        seed: the run's seed.
        num_levels: n_h.
    """

    def __init__(self, seed: int, num_levels: int):
        super().__init__()
        self.seed = seed
        self.num_levels = num_levels
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.model.level = self._level(self._epoch, batch)

    def on_epoch_end(self, epoch, logs=None):
        learned = {self._level(epoch, batch) for batch in range(self.params["steps"])}
        for level, outputs in self.model.outputs_of.items():
            if level not in learned:
                for name in [n for n in logs if n.startswith(tuple(f"{o}_" for o in outputs))]:
                    del logs[name]

    def _level(self, epoch: int, batch: int) -> int:
        # Not by the optimizer's count, which leaves out steps whose gradients overflowed.
        return drawn_level(self.seed, epoch * self.params["steps"] + batch, self.num_levels)
