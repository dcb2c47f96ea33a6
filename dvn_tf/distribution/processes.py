"""What a process knows of the others that train the same network, and does together with them."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from dvn_tf.distribution.connection import Connection
from dvn_tf.distribution.environment import Place
from dvn_tf.distribution.hub import Hub
from dvn_tf.errors import UserError, one_line, shown

T = TypeVar("T")

OTHERS_GONE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed
_NOTICE_SECONDS = 5.0  # until it is known whether another process caused an error


class Processes:
    """The processes that train one network together. This class is a process by itself.

    All processes call `gather`, `agree` and `first` in the same order.

    Attributes:
        index: the number of this process, from 0.
        count: the number of processes.
    """

    index = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.index == 0

    def gather(self, name: str, value=None) -> list:
        """Waits for all processes, and tells each what all of them say.

        Args:
            name: what it is about; the same in all processes.
            value: what this process says, as JSON may hold it.

        Returns:
            The values in the order of the processes.
        """
        return [value]

    def agree(self, values: Mapping[str, Sequence[str] | str]) -> None:
        """Checks that all processes have the same values.

        Args:
            values: {what it is: the value, or the lines of a long one}.

        Raises:
            UserError: in all processes, if one differs from the first.
        """
        found = self.gather("agree", dict(values))
        for index, theirs in enumerate(found):
            for what, value in found[0].items():
                if (other := theirs.get(what)) != value:
                    ours, other = _first_difference(value, other)
                    raise UserError(
                        f"process {index} of {self.count} has another {what} ({other}) than "
                        f"process 0 ({ours}): start all with the same command on the same data "
                        "and versions; --nodistributed is for runs that have nothing to do with "
                        "each other"
                    )

    def first(self, name: str, work: Callable[[], T]) -> T:
        """Lets the first process do something while the others wait.

        Args:
            name: what is done; the same in all processes.
            work: does it, and returns what JSON may hold.

        Returns:
            What `work` returned, in all processes.
        """
        return self.gather(name, work() if self.is_first else None)[0]

    def ask_to_stop(self) -> None:
        """Asks all processes to stop at a point on which they agree."""

    def stops_here(self) -> bool:
        """Whether all processes stop at this point; all ask at the same points of their work."""
        return False


ALONE = Processes()


class SeveralProcesses(Processes):
    """One of several processes, which `dvn_tf.distribution.joined` makes.

    If another process ends before its work is done, this one prints one line about it and ends at
    once with the status 75, whatever it is doing: it would wait for the other for ever.

    Args:
        place: the place of this process.
        connection: its connection to the hub.
        hub: the hub, in process 0.
    """

    def __init__(self, place: Place, connection: Connection, hub: Hub | None):
        self.index, self.count = place.index, place.count
        self._hub = hub
        self._connection = connection
        self._changed = threading.Condition()
        self._number = 0
        self._values: dict[int, list] = {}
        self._point, self._pausing, self._stop = 0, False, None
        self._leaving = False
        self._who = (
            f"process {place.index} of {place.count} (host {socket.gethostname()}, "
            f"pid {os.getpid()})"
        )
        self._first_who = "process 0"
        threading.Thread(target=self._listen, daemon=True).start()

    def join(self, seconds: float) -> None:
        """Waits until all processes are there.

        Args:
            seconds: how long at most.

        Raises:
            UserError: if some did not come in time.
        """
        who = self._gather("join", self._who, seconds)
        if who is None:
            missing = f"processes {self._hub.missing()}" if self._hub else "all processes"
            raise UserError(
                f"{missing.replace('[', '').replace(']', '')} of {self.count} did not come within "
                f"{seconds:.0f} s: start all of them, and see that their machines reach each other"
            )
        self._first_who = who[0]

    def gather(self, name: str, value=None) -> list:
        return self._gather(name, value, None)

    def ask_to_stop(self) -> None:
        self._connection.send(kind="stop")

    def stops_here(self) -> bool:
        with self._changed:
            self._point += 1
            # While the processes agree, none passes a point at which the others might stop.
            self._changed.wait_for(lambda: self._stop is not None or not self._pausing)
            return self._stop is not None and self._point >= self._stop

    def leave(self) -> None:
        """Says that the work of this process is done."""
        self._end(kind="bye")

    def fail(self, error: BaseException) -> None:
        """Tells the others why this process ends.

        An error may be what another process has caused: then this one ends here, with the line
        about that other process.
        """
        expected = isinstance(error, UserError | KeyboardInterrupt | SystemExit)
        if not expected:
            time.sleep(_NOTICE_SECONDS)
        message = type(error).__name__
        if isinstance(error, UserError):
            message = one_line(error)
        elif isinstance(error, KeyboardInterrupt):
            message = "it was interrupted"
        self._end(kind="failed", why=message)

    def _end(self, **message) -> None:
        with self._changed:
            self._leaving = True
        self._connection.send(**message)
        if self._hub:
            self._hub.close()
        self._connection.close()

    def _gather(self, name: str, value, seconds: float | None) -> list | None:
        with self._changed:
            self._number += 1
            number = self._number
        self._connection.send(kind="value", number=number, name=name, value=value, who=self._who)
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._values, seconds):
                return None
            found = self._values.pop(number)
        if len({name for name, _ in found}) > 1:
            raise RuntimeError(f"the processes do different things: {shown(found)}")
        return [value for _, value in found]

    def _listen(self) -> None:
        """Takes what the hub says, in a thread of its own, until it is gone."""
        for message in self._connection.messages():
            match message["kind"]:
                case "pause":
                    with self._changed:
                        self._pausing = True
                        self._connection.send(kind="point", point=self._point)
                case "stop":
                    self._note("_stop", message["point"])
                case "values":
                    with self._changed:
                        self._values[message["number"]] = message["values"]
                        self._changed.notify_all()
                case "ended":
                    self._lost(message["who"], message["why"])
                case "refused":
                    self._leave_with(message["why"])
        self._lost(self._first_who, None)

    def _note(self, name: str, value) -> None:
        with self._changed:
            setattr(self, name, value)
            self._changed.notify_all()

    def _lost(self, who: str, why: str | None) -> None:
        again = "start all again with the same command; the run goes on from its last checkpoint"
        self._leave_with(f"{who} is gone: {again}" if why is None else f"{who} ended: {why}")

    def _leave_with(self, line: str) -> None:
        with self._changed:
            is_news, self._leaving = not self._leaving, True
        if is_news:
            self._exit(line)

    def _exit(self, line: str) -> None:
        # Not by Python's own buffers: the main thread may hold them while it waits for ever.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.write(sys.stderr.fileno(), f"error: {line}\n".encode(errors="backslashreplace"))
        os._exit(OTHERS_GONE)


def _first_difference(ours, theirs) -> tuple[str, str]:
    """The first lines in which two values differ, as messages show them."""
    if isinstance(ours, list) and isinstance(theirs, list):
        missing = [line for line in ours if line not in theirs] or [""]
        extra = [line for line in theirs if line not in ours] or [""]
        ours, theirs = missing[0], extra[0]
    return shown(ours), shown(theirs)
