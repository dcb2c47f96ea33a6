"""Stopping a run after a step, because its user or the machine's owner wants the machine back.

The library asks; who answers knows of signals, or of what several processes agreed on.
"""

import contextlib
from collections.abc import Iterator


class Stop:
    """Asked after every training step whether the run stops there. This one never stops.

    Steps count the training steps of a stage from its beginning, over all epochs and starts of
    the run. All processes that train one network must answer alike for the same step.
    """

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Surrounds the training of a stage; only within it is anything asked."""
        yield

    def requested(self, step: int) -> bool:
        """Whether to stop after a step. Everything up to it is then written.

        While the test images are evaluated after a step, it is asked again.

        Args:
            step: the number of steps done.
        """
        return False


NEVER = Stop()


class Stopped(Exception):
    """Training stopped after a step as it was asked to, and has written a checkpoint of it.

    Args:
        step: steps done of the stage.
        epoch: the epoch of the last step, from 1.
        epoch_step: steps done of this epoch.
        epoch_steps: steps of an epoch.
    """

    def __init__(self, step: int, epoch: int, epoch_step: int, epoch_steps: int):
        self.step, self.epoch = step, epoch
        self.epoch_step, self.epoch_steps = epoch_step, epoch_steps
        super().__init__(
            f"stopped after step {step:,} (epoch {epoch}, step {epoch_step:,} of {epoch_steps:,})"
        )
