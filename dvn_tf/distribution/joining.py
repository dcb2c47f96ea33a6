"""Joins the processes of a job, and starts JAX's distributed runtime in all of them."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

import keras

from dvn_tf.distribution import gloo
from dvn_tf.distribution.connection import Connection, relay
from dvn_tf.distribution.environment import Place
from dvn_tf.distribution.hub import Hub
from dvn_tf.distribution.processes import ALONE, Processes, SeveralProcesses
from dvn_tf.errors import UserError

_JAX_TIMEOUT = 600  # seconds; a process that is gone is noticed much earlier, without JAX
_SILENCE = 5.0  # seconds of waiting that need no explanation
_LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def joined(place: Place | None, seconds: float = 300.0) -> Iterator[Processes]:
    """Joins all processes of a job, for as long as they work together.

    Call it before anything asks JAX for a device.

    Args:
        place: the place of this process; None for a process by itself.
        seconds: how long to wait for the others.

    Yields:
        The processes.

    Raises:
        UserError: if the others do not come, or Keras's backend is not JAX.
    """
    if place is None:
        yield ALONE
        return
    if keras.backend.backend() != "jax":
        raise UserError(
            f"{place.count} processes train together on JAX alone: set KERAS_BACKEND=jax, or add "
            "--nodistributed"
        )
    processes, jax_address = _meet(place, seconds)
    try:
        _start_jax(place, jax_address)
        yield processes
        processes.gather("end")  # so that JAX need not wait for any of them
        _stop_jax()
        processes.leave()
    except BaseException as error:
        processes.fail(error)
        raise


def _meet(place: Place, seconds: float) -> tuple[SeveralProcesses, str]:
    """Waits for all processes. The second value is where this one finds JAX's service."""
    waiting = threading.Timer(_SILENCE, _say_what_it_waits_for, [place, seconds])
    waiting.daemon = True
    waiting.start()
    deadline = time.monotonic() + seconds
    hub = None
    try:
        if place.index == 0:
            jax_port = _free_port()
            hub = Hub(place, jax_port)
        connection = Connection(_connected(place, deadline))
        connection.socket.sendall(f"{place.index}\n".encode())
        processes = SeveralProcesses(place, connection, hub)
        try:
            processes.join(deadline - time.monotonic())
        except UserError as error:
            processes.fail(error)
            raise
    finally:
        waiting.cancel()
    if hub is None:
        jax_port = _relay_to_hub(place)
    return processes, f"{_LOOPBACK}:{jax_port}"


def _say_what_it_waits_for(place: Place, seconds: float) -> None:
    print(
        f"Waiting up to {seconds:.0f} s for all {place.count} processes at "
        f"{place.host}:{place.port} (this is process {place.index}).",
        file=sys.stderr,
        flush=True,
    )


def _connected(place: Place, deadline: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection((place.host, place.port), timeout=10)
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"process {place.index} of {place.count} cannot reach process 0 at "
                    f"{place.host}:{place.port} ({error.strerror or error}): start all processes, "
                    "and see that their machines reach each other"
                ) from error
            time.sleep(0.2)


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as server:
        return server.getsockname()[1]


def _relay_to_hub(place: Place) -> int:
    """Lets JAX reach its service through the hub. Returns the port on this machine.

    A client of JAX's aborts the process when the service is gone. The relay leaves its connection
    open, so that there is time for a line that says what happened.
    """
    server = socket.create_server((_LOOPBACK, 0))

    def accept():
        while True:
            client, _ = server.accept()
            upstream = socket.create_connection((place.host, place.port))
            upstream.sendall(b"jax\n")
            threading.Thread(target=relay, args=(client, upstream), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def _start_jax(place: Place, address: str) -> None:
    import jax
    from jax.experimental import multihost_utils

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would take SIGTERM away from the program.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        address,
        place.count,
        place.index,
        coordinator_bind_address=address,
        cluster_detection_method=place.launcher or "deactivate",
        initialization_timeout=_JAX_TIMEOUT,
        heartbeat_timeout_seconds=_JAX_TIMEOUT,
    )
    with _no_output():
        multihost_utils.sync_global_devices("start")
    if jax.default_backend() == "cpu":
        gloo.let_messages_wait()


def _stop_jax() -> None:
    import jax

    jax.distributed.shutdown()


@contextlib.contextmanager
def _no_output() -> Iterator[None]:
    """Hides what Gloo prints on standard output when it connects the processes."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)
