"""What a run prints while it trains, with a clock and a screen that are made up."""

import io

import pytest

from dvn_tf.training.progress import Progress, accuracy_table
from dvn_tf.training.recipe import evaluated_epochs
from dvn_tf.training.remaining_time import RemainingTime, duration
from dvn_tf.training.screen import Screen

DENSITIES = {"a/level1": 0.25, "a/level2": 1.0, "b/level1": 0.25, "b/level2": 1.0}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def logs_of(loss, accuracies):
    """The logs of Keras: besides the summed loss, each output's loss and metrics, twice."""
    logs = {"loss": loss, "val_loss": 99.0}
    for name, value in accuracies.items():
        for prefix in ("", "val_"):
            logs |= {f"{prefix}{name}_{m}": 7.77 for m in ("loss", "cross_entropy")}
            logs[f"{prefix}{name}_accuracy"] = value
    return logs


def epoch(progress, clock, number, steps, seconds, loss=1.5, accuracies=None):
    """Drives a callback as `fit` does; a step takes `seconds`, and an evaluation as much."""
    progress.on_epoch_begin(number)
    for step in range(steps):
        clock.now += seconds
        progress.on_train_batch_end(step, {"loss": loss})
    if accuracies:
        progress.on_test_begin()
        clock.now += seconds
        progress.on_test_end()
    progress.on_epoch_end(number, logs_of(loss, accuracies or {}))


def started(stream, clock, stages, steps, **options):
    progress = Progress(Screen(stream), DENSITIES, stages, clock=clock, **options)
    progress.set_params({"steps": steps, "epochs": stages[0], "verbose": 0})
    progress.on_train_begin()
    return progress


def test_a_log_file_gets_one_line_and_a_table_for_each_epoch():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [10], 4, test_steps=3, images_per_step=2560)
    epoch(progress, clock, 0, 4, 1.0, accuracies=dict.fromkeys(DENSITIES, 0.5))
    progress.on_train_end()
    # 36 steps of a second are left, and nine evaluations of a second.
    assert log.getvalue().splitlines() == [
        "About 45 s left for this run.",
        "epoch 1 of 10, 4 of 40 steps, loss 1.5, 2,560 images/s, 45 s left",
        "  test accuracy, %    25 %    full",
        "  a                  50.00   50.00",
        "  b                  50.00   50.00",
        "  average            50.00   50.00",
    ]


def test_a_terminal_has_a_line_that_is_drawn_again():
    terminal, clock = Terminal(), Clock()
    progress = started(terminal, clock, [10], 2, images_per_step=3)
    epoch(progress, clock, 0, 2, 1.0)
    text = terminal.getvalue()
    assert "\repoch 1 of 10, step 1 of 2, loss 1.5\x1b[K" in text
    assert "\repoch 1 of 10, step 2 of 2, loss 1.5, 3.0 images/s, 18 s left\x1b[K\r\x1b[K" in text
    assert text.endswith("\nepoch 1 of 10, 2 of 20 steps, loss 1.5, 3.0 images/s, 18 s left\n")


def test_a_line_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    Screen(terminal).draw("x" * 100)
    assert terminal.getvalue() == "\r" + "x" * 19 + "\x1b[K"


def test_a_terminal_without_control_characters_is_a_log_file(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    Screen(terminal).draw("a line")
    assert terminal.getvalue() == ""


def test_an_epoch_without_evaluation_has_no_table():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [4], 4, evaluate_every=2)
    epoch(progress, clock, 0, 4, 1.0)
    assert log.getvalue().splitlines()[-1] == "epoch 1 of 4, 4 of 16 steps, loss 1.5, 12 s left"


def test_a_single_output_stands_in_the_line():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [2, 2], 4, stage=2)
    epoch(progress, clock, 1, 4, 1.0, accuracies={"a/level1": 0.98765})
    assert (
        log.getvalue()
        == "stage 2 of 2, epoch 2 of 2, 8 of 8 steps, loss 1.5, test accuracy 98.77 %\n"
    )


def test_a_resumed_run_counts_on():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [10], 5)
    epoch(progress, clock, 3, 5, 2.0)
    assert log.getvalue().splitlines() == [
        "About 1 min left for this run.",
        "epoch 4 of 10, 20 of 50 steps, loss 1.5, 1 min left",
    ]


def test_a_run_that_goes_on_within_an_epoch_knows_what_is_left():
    """Two of five steps of the fourth epoch were done before; one more gives no speed yet."""
    terminal, clock = Terminal(), Clock()
    progress = started(terminal, clock, [10], 5, images_per_step=8)
    progress.on_epoch_begin(3)
    for step in (2, 3, 4):
        clock.now += 2.0
        progress.on_train_batch_end(step, {"loss": 1.5})
    text = terminal.getvalue()
    assert "\repoch 4 of 10, step 3 of 5, loss 1.5\x1b[K" in text
    # One step of this epoch and six epochs of five.
    assert "\repoch 4 of 10, step 4 of 5, loss 1.5, 4.0 images/s, 1 min left\x1b[K" in text
    assert progress.time.seconds(3, 4) == 31 * 2.0


def test_the_speed_is_that_of_training_steps_alone():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [10], 4, images_per_step=64)
    assert progress.scalars() == {"speed/steps": 4}
    for number, evaluation in ((0, 100.0), (1, 50.0)):
        progress.on_epoch_begin(number)
        for step in range(4):
            clock.now += 30.0 if (number, step) == (0, 0) else 0.5
            progress.on_train_batch_end(step, {"loss": 1.0})
        clock.now += 0.25  # the device is busy with the last steps
        progress.on_test_begin()
        clock.now += evaluation
        progress.on_test_end()
    # Seven steps without the first, which was traced.
    rate = 7 * 64 / (7 * 0.5 + 2 * 0.25)
    left = 8 * 4 * 64 / rate
    assert progress.scalars() == {
        "speed/steps": 8,
        "speed/images_per_second": pytest.approx(rate),
        "speed/seconds_left": pytest.approx(left),
    }


def test_a_log_file_waits_for_no_step():
    """The figures of a step are not read while the device may still compute them."""

    class Busy:
        def __float__(self):
            pytest.fail("the loss of a step was read")

    progress = started(io.StringIO(), Clock(), [10], 4)
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0, {"loss": Busy()})
    progress.on_test_begin()


def test_a_long_run_says_how_to_make_it_shorter():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [200], 100, runs_left=2)
    progress.on_epoch_begin(0)
    for step in range(4):
        clock.now += 2.0
        assert log.getvalue() == ""
        progress.on_train_batch_end(step, {"loss": 1.0})
    # 19,996 steps of two seconds are left of this run, three times that in all.
    text = log.getvalue()
    assert text.startswith("About 11 h 7 min left for this run. Then 2 runs follow: up to 33 h")
    assert "more than an hour" in text
    assert "--gin_file=gin/sizes/two_cores.gin" in text
    assert "--gin_param='Recipe.epochs = 6'" in text
    assert text.count("\n") == 5


def test_an_estimate_covers_all_stages_and_is_made_once():
    log, clock = io.StringIO(), Clock()
    progress = started(log, clock, [2, 3, 4], 5)
    for number in (0, 1):
        epoch(progress, clock, number, 5, 2.0)
    # The first step of each stage takes two seconds longer than it would: it is traced.
    assert log.getvalue().splitlines() == [
        "About 1 min left for this run's 3 stages.",
        "stage 1 of 3, epoch 1 of 2, 5 of 10 steps, loss 1.5, 1 min left",
        "stage 1 of 3, epoch 2 of 2, 10 of 10 steps, loss 1.5, 1 min left",
    ]


def test_sixteen_outputs_make_a_compact_table():
    shares = (1 / 16, 0.25, 0.5625, 1.0)
    densities = {f"task_{t}/level{n}": s for t in range(4) for n, s in enumerate(shares, start=1)}
    table = accuracy_table(dict.fromkeys(densities, 1.0), densities).splitlines()
    assert len(table) == 6
    assert max(map(len, table)) <= 60
    assert table[0].split() == ["test", "accuracy,", "%", "6", "%", "25", "%", "56", "%", "full"]


def test_tasks_of_different_sizes_stand_in_the_columns_of_their_sizes():
    table = accuracy_table({"a/level1": 0.9, "b/level1": 0.8}, {"a/level1": 0.5, "b/level1": 1.0})
    assert table.splitlines() == [
        "  test accuracy, %    50 %    full",
        "  a                  90.00",
        "  b                          80.00",
    ]


def test_the_time_left_leaves_out_the_first_trace_and_counts_the_later_ones():
    clock = Clock()
    left = RemainingTime([2, 3], evaluate_every=2, test_steps=6, clock=clock)
    left.begin(steps_per_epoch=5)
    clock.now += 30.0
    left.step_done()
    assert left.seconds(0, 1) is None
    for _ in range(2):
        clock.now += 3.0
        left.step_done()
    # 7 + 15 steps of 3 s, one and two evaluations of 6 forward steps, one more trace.
    assert left.seconds(0, 3) == pytest.approx(22 * 3 + 3 * 6 * 3 / 3 + 30)
    left.evaluation_begins()
    clock.now += 4.0
    left.evaluation_done()
    assert left.seconds(2) == pytest.approx(15 * 3 + 2 * 4 + 30)
    clock.now += 1000.0  # a checkpoint
    left.epoch_begins()
    clock.now += 3.0
    left.step_done()
    assert left.seconds(2) == pytest.approx(15 * 3 + 2 * 4 + 30)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (3540, "59 min"), (3599, "1 h 0 min"),
        (12_000, "3 h 20 min"), (200_000, "2 days 8 h"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("epochs", "every", "expected"),
    [(4, 1, [1, 2, 3, 4]), (7, 3, [3, 6, 7]), (6, 3, [3, 6]), (2, 5, [2])],
)
def test_the_last_epoch_is_always_evaluated(epochs, every, expected):
    assert evaluated_epochs(epochs, every) == expected
