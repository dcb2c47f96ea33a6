"""What a run prints while it trains: one line of progress, and accuracies by task and size."""

import time
from collections.abc import Callable, Mapping, Sequence

import keras

from dvn_tf.training.remaining_time import RemainingTime, duration
from dvn_tf.training.screen import Screen
from dvn_tf.training.sizes import averages, size_names
from dvn_tf.training.tensorboard import epoch_figures, evaluated_accuracies

_SECONDS_BETWEEN_DRAWINGS = 0.2
_LONG = 3600.0


class Timing(keras.callbacks.Callback):
    """Measures a stage while it trains.

    Args:
        time: what is measured.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: steps done of it.
    """

    takes_tensors = True

    def __init__(self, time: RemainingTime):
        super().__init__()
        self.time = time
        self.epoch = 0
        self.step = 0

    def on_train_begin(self, logs=None):
        self.time.begin(self.params["steps"])

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.step = epoch, 0
        self.time.epoch_begins()

    def on_train_batch_end(self, batch, logs=None):
        self.time.step_done()
        self.step = batch + 1

    def on_test_begin(self, logs=None):
        self.time.evaluation_begins()

    def on_test_end(self, logs=None):
        self.time.evaluation_done()

    def scalars(self) -> dict[str, float]:
        """What TensorBoard gets at the end of an epoch: {tag: value}."""
        done = self.epoch + 1
        scalars = {
            "speed/steps": done * self.params["steps"],
            "speed/images_per_second": self.time.images_per_second,
            "speed/seconds_left": self.time.seconds(done),
        }
        return {tag: value for tag, value in scalars.items() if value is not None}


class Progress(Timing):
    """Shows how far a run is, how long it will take, and the test accuracies of its epochs.

    On a terminal, the line of progress is drawn again after each step. In a log file, every epoch
    leaves one line. Epochs that are evaluated add a small table.

    Args:
        screen: where to print.
        densities: the density of every output of the stage's network, see `output_densities`.
        stages: the epochs of all stages of the run.
        stage: the number of this stage, from 1.
        evaluate_every: epochs between evaluations.
        test_steps: steps of an evaluation.
        runs_left: how many runs of a series follow this one.
        announce: whether to say, once the first steps are done, how long the run will take.
        clock: gives seconds.
        images_per_step: images of all tasks in a training step.
    """

    def __init__(
        self,
        screen: Screen,
        densities: Mapping[str, float],
        stages: Sequence[int],
        stage: int = 1,
        evaluate_every: int = 1,
        test_steps: int = 0,
        runs_left: int = 0,
        announce: bool = True,
        clock: Callable[[], float] = time.monotonic,
        images_per_step: int = 0,
    ):
        super().__init__(
            RemainingTime(stages[stage - 1 :], evaluate_every, test_steps, clock, images_per_step)
        )
        self.screen = screen
        self.densities = densities
        self.stages = tuple(stages)
        self.stage = stage
        self.runs_left = runs_left
        self.clock = clock
        self._loss = None  # of the last step, which the device may not have done yet
        self._estimated = not announce
        self._drawn_at = 0.0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.screen.draw("building the training step ...")

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        self._loss = logs["loss"]
        if not self._estimated and self.time.enough:
            self._estimate(self.epoch, self.step)
        drawn = self.clock() - self._drawn_at < _SECONDS_BETWEEN_DRAWINGS
        if self.screen.is_terminal and not drawn:
            steps = f", step {self.step:,} of {self.params['steps']:,}"
            loss = _loss_text(self._loss)
            self.screen.draw(self._place() + steps + loss + self._speed(self.epoch, self.step))
            self._drawn_at = self.clock()

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        if self.screen.is_terminal:
            self.screen.draw(f"{self._place()}{_loss_text(self._loss)}, evaluating ...")

    def on_epoch_end(self, epoch, logs=None):
        figures = epoch_figures(logs)
        done = epoch + 1
        if not self._estimated:
            self._estimate(done, 0)
        accuracies = evaluated_accuracies(figures)
        alone = ""
        if len(accuracies) == 1:
            alone = f", test accuracy {100 * sum(accuracies.values()):.2f} %"
        steps, epochs = self.params["steps"], self.stages[self.stage - 1]
        steps = f", {done * steps:,} of {epochs * steps:,} steps"
        loss = _loss_text(figures["loss"])
        self.screen.print(self._place() + steps + loss + alone + self._speed(done, 0))
        if len(accuracies) > 1:
            self.screen.print(accuracy_table(accuracies, self.densities))

    def on_train_end(self, logs=None):
        self.screen.clear()

    def _place(self) -> str:
        stage = f"stage {self.stage} of {len(self.stages)}, " if len(self.stages) > 1 else ""
        return f"{stage}epoch {self.epoch + 1} of {self.stages[self.stage - 1]}"

    def _speed(self, epochs_done: int, steps_done: int) -> str:
        """How fast the run is and how long it will take, as far as that is known."""
        rate = self.time.images_per_second
        seconds = self.time.seconds(epochs_done, steps_done)
        text = f", {rate:,.{0 if rate >= 10 else 1}f} images/s" if rate else ""
        return text + (f", {duration(seconds)} left" if seconds else "")

    def _estimate(self, epochs_done: int, steps_done: int) -> None:
        """Says once how long the run will take."""
        seconds = self.time.seconds(epochs_done, steps_done)
        if seconds is None:
            return
        self._estimated = True
        if seconds:
            self.screen.print(self._estimate_text(seconds))

    def _estimate_text(self, seconds: float) -> str:
        stages = len(self.stages) - self.stage + 1
        what = f"this run's {stages} stages" if stages > 1 else "this run"
        lines = [f"About {duration(seconds)} left for {what}."]
        if self.runs_left:
            runs = "another run follows" if self.runs_left == 1 else f"{self.runs_left} runs follow"
            total = duration(seconds * (1 + self.runs_left))
            lines[0] += f" Then {runs}: up to {total} in all."
        total = seconds * (1 + self.runs_left)
        if total > _LONG:
            epochs = max(1, int(max(self.stages) * _LONG / total))
            lines += [
                "That is more than an hour. To make it shorter, stop it and start it again with",
                "  a smaller network and fewer images  --gin_file=gin/sizes/two_cores.gin (see "
                "gin/sizes for other sizes)",
                f"  fewer epochs                        --gin_param='Recipe.epochs = {epochs}'",
                "and with another --run_dir or --runs_dir, since this one keeps its settings.",
            ]
        return "\n".join(lines)


def _loss_text(loss) -> str:
    return "" if loss is None else f", loss {float(loss):.4g}"


def accuracy_table(accuracies: Mapping[str, float], densities: Mapping[str, float]) -> str:
    """Test accuracies as text: tasks down, sizes across, the smallest first.

    Args:
        accuracies: of outputs, by their names.
        densities: of at least these outputs.
    """
    sizes = size_names(densities)
    cells, columns = {}, []
    for name in sorted(accuracies, key=densities.get):
        task, size = sizes[name]
        cells[task, size] = accuracies[name]
        columns += [size] if size not in columns else []
    tasks = list(dict.fromkeys(sizes[name][0] for name in accuracies))
    for size, mean in averages(accuracies, densities, len(tasks)).items():
        cells["average", size] = mean
    rows = [*tasks, "average"] if len(tasks) > 1 and ("average", columns[-1]) in cells else tasks
    head = "test accuracy, %"
    first = max(len(head), *map(len, rows))
    widths = [max(6, len(column)) for column in columns]
    lines = ["  ".join([head.ljust(first), *map(str.rjust, columns, widths)])]
    for row in rows:
        texts = [
            f"{100 * cells[row, column]:.2f}" if (row, column) in cells else ""
            for column in columns
        ]
        lines.append("  ".join([row.ljust(first), *map(str.rjust, texts, widths)]))
    return "\n".join(f"  {line}".rstrip() for line in lines)
