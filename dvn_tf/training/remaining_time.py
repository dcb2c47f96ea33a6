"""How fast a run trains and how long it will still take, measured while it trains."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from dvn_tf.training.recipe import evaluated_epochs

# Of a training step's time: backward takes about twice as long as forward.
_FORWARD = 1 / 3
_ENOUGH_STEPS, _ENOUGH_SECONDS = 3, 5.0


@dataclasses.dataclass
class RemainingTime:
    """The speed of a stage, and the time left for all stages of a run.

    Later stages are taken to be like this one: their images are not loaded yet.

    Args:
        stage_epochs: the epochs of this stage and of those after it.
        evaluate_every: epochs between evaluations.
        test_steps: steps of an evaluation.
        clock: gives seconds.
        images_per_step: images of all tasks in a training step.
    """

    stage_epochs: Sequence[int]
    evaluate_every: int = 1
    test_steps: int = 0
    clock: Callable[[], float] = time.monotonic
    images_per_step: int = 0

    def __post_init__(self):
        self.steps_per_epoch = 0
        self.measured_steps = 0
        self._training = 0.0  # seconds of the measured steps
        self._start = 0.0  # of a stage: until its first step is done, most of it tracing
        self._evaluation = None  # seconds of the last evaluation
        self._since = self.clock()

    def begin(self, steps_per_epoch: int) -> None:
        """A stage begins; its first step will take longer than the others."""
        self.steps_per_epoch = steps_per_epoch
        self._since, self._started = self.clock(), False

    def step_done(self) -> None:
        """A training step is done."""
        now = self.clock()
        if not self._started:
            self._start, self._started = now - self._since, True
        else:
            self._training += now - self._since
            self.measured_steps += 1
        self._since = now

    def evaluation_begins(self) -> None:
        """The test images come next."""
        now = self.clock()
        if self.measured_steps:
            self._training += now - self._since  # the device was still busy with the last steps
        self._since = now

    def evaluation_done(self) -> None:
        """The test images are done."""
        now = self.clock()
        self._evaluation, self._since = now - self._since, now

    def epoch_begins(self) -> None:
        """What came between two epochs is not part of the next step."""
        if self._started:
            self._since = self.clock()

    @property
    def enough(self) -> bool:
        """Whether enough steps were measured for an estimate before the first epoch ends."""
        return self.measured_steps >= _ENOUGH_STEPS and self._training >= _ENOUGH_SECONDS

    @property
    def images_per_second(self) -> float | None:
        """The speed of training steps, without evaluations; None before the second step."""
        if not self._training:
            return None
        return self.measured_steps * self.images_per_step / self._training

    def seconds(self, epochs_done: int, steps_done: int = 0) -> float | None:
        """The seconds left for the run; None before the second step.

        Args:
            epochs_done: of this stage.
            steps_done: of the epoch in progress.
        """
        if not self.measured_steps:
            return None
        step = self._training / self.measured_steps
        evaluation = self.test_steps * step * _FORWARD
        if self._evaluation is not None:
            # The first evaluation has a trace in it, but none is slower than as much training.
            evaluation = min(self._evaluation, self.test_steps * step)
        left = -steps_done * step
        for number, epochs in enumerate(self.stage_epochs):
            done = epochs_done if number == 0 else 0
            left += (epochs - done) * self.steps_per_epoch * step
            evaluated = [e for e in evaluated_epochs(epochs, self.evaluate_every) if e > done]
            left += len(evaluated) * evaluation
            left += self._start if number else 0
        return max(0.0, left)


def duration(seconds: float) -> str:
    """A length of time in words: "45 s", "12 min", "3 h 20 min", "2 days 4 h"."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} days {hours % 24} h"
