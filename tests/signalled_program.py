"""Runs a program that gets a signal at one of its training steps."""

import os

import forked_program


def run(number: int, step: int, *arguments) -> None:
    """As `forked_program.run`, but the process signals itself at a step.

    Args:
        number: of the signal.
        step: of this process, from 1.
        arguments: those of `forked_program.run`.
    """
    from dvn_tf.training.callbacks import StopOnRequest

    ended, steps = StopOnRequest.on_train_batch_end, 0

    def signal_and_end(callback, *args, **logs):
        nonlocal steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), number)
        ended(callback, *args, **logs)

    StopOnRequest.on_train_batch_end = signal_and_end
    forked_program.run(*arguments)
