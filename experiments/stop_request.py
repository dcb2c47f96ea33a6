"""Ctrl-C and SIGTERM while a network trains: the run stops after its step, with a checkpoint.

Python runs the handlers of signals between two lines of the main thread, so not while a step
runs or is compiled in C++, which may take minutes. A second thread hears of signals at once. It
says what will happen, and ends the process where nothing else can.
"""

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator

from dvn_tf.training.stopping import Stop
from experiments import endings

_QUIET = 0.5  # seconds in which most steps end, so that there is nothing to say
_PATIENCE = 5.0  # seconds that the first step may go on in C++
_NOTES = {
    signal.SIGINT: "stopping after this step; press Ctrl-C again to end at once",
    signal.SIGTERM: "stopping after this step; another SIGTERM ends the run at once",
}


class StopRequest(Stop):
    """Asks a run to stop after the step at which a signal came.

    Before the first step is done, nothing would be gained by waiting for it: a signal then ends
    the run as `endings` does everywhere else.

    Args:
        interrupted: gives the sentence about what is left where the run ends before that.
    """

    def __init__(self, interrupted: Callable[[], str]):
        self._sentence = interrupted
        self._number = 0  # of the signal that came
        self._stepping = False  # the first step is done

    @property
    def status(self) -> int:
        """The exit status of a run that was stopped."""
        return 128 + (self._number or signal.SIGTERM)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Takes the signals over while a stage trains."""
        self._stepping = False
        # A job that ignores a signal goes on ignoring it.
        taken = [n for n in endings.SIGNALS if signal.getsignal(n) is endings.on_signal]
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        watcher = threading.Thread(target=self._watch, args=(reader,), daemon=True)
        watcher.start()
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in taken:
            signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number in taken:
                signal.signal(number, endings.on_signal)
            signal.set_wakeup_fd(before)
            os.close(writer)
            watcher.join()
            os.close(reader)
        if self._number:  # it came after the last step, and has not been heard of yet
            endings.on_signal(self._number)

    def requested(self, step: int) -> bool:
        """Whether a signal came."""
        self._stepping = True
        return bool(self._number)

    def _on_signal(self, number, frame) -> None:
        if not self._stepping:
            endings.on_signal(number, frame)
        self._number = self._number or number

    def _watch(self, reader: int) -> None:
        """Waits for signals until the pipe is closed; runs in a thread of its own."""
        heard, then, at = False, None, 0.0  # what to do at a time if nothing comes before
        while True:
            timeout = None if then is None else max(0.0, at - time.monotonic())
            if not select.select([reader], [], [], timeout)[0]:
                then()
                then = None
                continue
            numbers = os.read(reader, 64)
            if not numbers:
                return
            for number in filter(endings.SIGNALS.__contains__, numbers):
                if heard:
                    endings.leave_twice(number)
                heard = True
                then, at = self._answer(number)

    def _answer(self, number: int) -> tuple[Callable[[], None], float]:
        """Takes note of a signal. Returns what to do if it had no effect by a moment."""
        now = time.monotonic()
        if self._stepping:
            self._number = number
            return lambda: endings.say(_NOTES[number]), now + _QUIET
        return (
            lambda: endings.leave(number, f"interrupted: {self._sentence()}"),
            now + _PATIENCE,
        )
