"""Stopping several processes after the same step."""

import contextlib

from dvn_tf.distribution import Processes
from dvn_tf.training.stopping import Stop


class StopTogether(Stop):
    """Stops all processes after one step as soon as one of them is asked to stop.

    Args:
        stop: says whether this process is asked to stop.
        processes: the processes.
    """

    def __init__(self, stop: Stop, processes: Processes):
        self.stop = stop
        self.processes = processes
        self._asked = False

    def training(self) -> contextlib.AbstractContextManager[None]:
        return self.stop.training()

    def requested(self, step: int) -> bool:
        if self.stop.requested(step) and not self._asked:
            self._asked = True
            self.processes.ask_to_stop()
        return self.processes.stops_here()
