"""The server in process 0 that joins all processes of a run.

Every process, the first one too, holds a connection to it for as long as it lives. The kernel
closes the connection of a killed process at once, so that the others hear of it.

JAX has a service in process 0 as well. Its clients abort with a wall of text as soon as it is gone,
so they reach it through the hub, see `dvn_tf.distribution.joining`.
"""

import socket
import threading
import time

from dvn_tf.distribution.connection import Connection, relay
from dvn_tf.distribution.environment import Place
from dvn_tf.errors import UserError

_GREETING_SECONDS = 30.0
_JAX_SECONDS = 60.0  # until JAX's service listens


class Hub:
    """Collects what the processes say, and tells it to all of them.

    Args:
        place: the place of process 0.
        jax_port: where JAX's service will listen on this machine.

    Raises:
        UserError: if the port cannot be listened at.
    """

    def __init__(self, place: Place, jax_port: int):
        self.count = place.count
        self._jax_port = jax_port
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._members: dict[int, Connection] = {}
        self._names: dict[int, str] = {}
        self._left: set[int] = set()
        self._values: dict[int, dict[int, tuple]] = {}  # {number: {process: (name, value)}}
        self._points: dict[int, int] | None = None  # where the processes are, for a stop
        try:
            self._server = _listen(place)
        except OSError as error:
            raise UserError(
                f"cannot wait for the other processes at {place.host}:{place.port}: "
                f"{error.strerror or error}; name another port in KERAS_DISTRIBUTION_JOB_ADDRESSES"
            ) from error
        threading.Thread(target=self._accept, daemon=True).start()

    def missing(self) -> list[int]:
        """The processes that have not come yet."""
        with self._lock:
            return [index for index in range(self.count) if index not in self._members]

    def close(self, seconds: float = 10.0) -> None:
        """Waits until all others have gone, at most for some seconds."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self._left) < len(self._members) and time.monotonic() < deadline:
                self._changed.wait(0.1)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return  # it is closed
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(_GREETING_SECONDS)
        greeting = _first_line(sock)
        if greeting == b"jax":
            if service := _connected(self._jax_port):
                sock.settimeout(None)
                relay(sock, service)
            return
        index = int(greeting) if greeting.isdigit() else self.count
        connection = Connection(sock)
        with self._changed:
            if index >= self.count or index in self._members:
                connection.send(kind="refused", why=self._refusal(index))
                connection.close()
                return
            self._members[index] = connection
        for message in connection.messages():
            self._heard(index, message)
        self._ended(index, None)

    def _refusal(self, index: int) -> str:
        if index in self._members:
            return f"there are two processes with the number {index} of {self.count}"
        return f"process 0 waits for {self.count} processes only, numbered from 0"

    def _heard(self, index: int, message: dict) -> None:
        match message["kind"]:
            case "value":
                self._collect(index, message)
            case "stop":
                self._agree_on_stop()
            case "point":
                self._collect_point(index, message["point"])
            case "failed":
                self._ended(index, message["why"])
            case "bye":
                self._leave(index)

    def _collect(self, index: int, message: dict) -> None:
        with self._lock:
            self._names.setdefault(index, message["who"])
            values = self._values.setdefault(message["number"], {})
            values[index] = (message["name"], message["value"])
            if len(values) < self.count:
                return
            del self._values[message["number"]]
        in_order = [values[index] for index in range(self.count)]
        self._tell("values", number=message["number"], values=in_order)

    def _agree_on_stop(self) -> None:
        with self._lock:
            if self._points is not None:
                return
            self._points = {}
        self._tell("pause")

    def _collect_point(self, index: int, point: int) -> None:
        with self._lock:
            self._points[index] = point
            if len(self._points) < self.count:
                return
            next_one = max(self._points.values()) + 1
        self._tell("stop", point=next_one)

    def _ended(self, index: int, why: str | None) -> None:
        if self._leave(index):
            name = self._names.get(index, f"process {index} of {self.count}")
            self._tell("ended", who=name, why=why)

    def _leave(self, index: int) -> bool:
        """Notes that a process has left; whether that is news."""
        with self._changed:
            news = index not in self._left
            self._left.add(index)
            self._changed.notify_all()
        return news

    def _tell(self, kind: str, **message) -> None:
        with self._lock:
            members = [self._members[index] for index in self._members.keys() - self._left]
        for member in members:
            member.send(kind=kind, **message)


def _listen(place: Place) -> socket.socket:
    if place.is_local:
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        return socket.create_server((place.host, place.port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", place.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
        )
    return socket.create_server(("", place.port), backlog=1024)


def _first_line(sock: socket.socket) -> bytes:
    """The line with which a connection begins, without what follows it."""
    line = b""
    try:
        while len(line) < 20 and (byte := sock.recv(1)) not in (b"", b"\n"):
            line += byte
    except OSError:
        return b""
    return line


def _connected(port: int) -> socket.socket | None:
    """A connection to JAX's service, which may not be ready yet."""
    deadline = time.monotonic() + _JAX_SECONDS
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.1)
    return None
