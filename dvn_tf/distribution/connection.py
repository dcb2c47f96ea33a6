"""Messages over TCP: a line of JSON each."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

_LONGEST = 2**24  # bytes of a message
# A machine that vanishes is noticed after 15 + 4 * 5 seconds.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}


class Connection:
    """One end of a connection. Several threads may send, one receives.

    Args:
        sock: a connected socket.
    """

    def __init__(self, sock: socket.socket):
        self.socket = sock
        self._lock = threading.Lock()
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):  # not on every system
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, **message) -> None:
        """Sends a message. If the other end is gone, nothing happens: `messages` ends then."""
        with self._lock, contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def messages(self) -> Iterator[dict]:
        """Yields what the other end sends, until it is gone or sends what is no message."""
        with contextlib.suppress(OSError, ValueError), self.socket.makefile("rb") as file:
            while line := file.readline(_LONGEST):
                if not isinstance(message := json.loads(line), dict):
                    return
                yield message

    def close(self) -> None:
        """Ends the connection, also for a thread that waits for messages."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def relay(one: socket.socket, other: socket.socket) -> None:
    """Passes on all bytes between two sockets until `one` ends; then both are closed.

    If `other` ends, `one` is left open.
    """
    threading.Thread(target=_pass_on, args=(other, one), daemon=True).start()
    _pass_on(one, other)
    for sock in (one, other):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
