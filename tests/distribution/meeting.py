"""Several processes as threads of one, each with its own connection to the hub."""

import concurrent.futures
import time

from distribution.jobs import free_port

from dvn_tf.distribution import Place, joining
from dvn_tf.distribution.processes import SeveralProcesses


class Meeting:
    """Processes that have met, and what they print before they end."""

    def __init__(self, count, monkeypatch, indices=None, seconds=30):
        self.lines = []
        monkeypatch.setattr(
            SeveralProcesses, "_exit", lambda self, line: lines.append((self.index, line))
        )
        lines, port = self.lines, free_port()
        places = [Place(i, count, "127.0.0.1", port) for i in indices or range(count)]
        self.pool = concurrent.futures.ThreadPoolExecutor(len(places))
        met = [self.pool.submit(joining._meet, place, seconds) for place in places]
        self.processes = [one.result()[0] for one in met]

    def each(self, work):
        """What `work` returns for each process, or the error that it raises."""
        futures = [self.pool.submit(work, process) for process in self.processes]
        return [future.exception() or future.result() for future in futures]

    def wait_for_lines(self, number):
        deadline = time.monotonic() + 10
        while len(self.lines) < number and time.monotonic() < deadline:
            time.sleep(0.01)
