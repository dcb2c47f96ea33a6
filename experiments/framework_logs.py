"""Keeps what TensorFlow tells about itself off the terminal, but none of its warnings.

TensorFlow's C++ code writes to file descriptor 2, much of it before its own settings count:
TF_CPP_MIN_LOG_LEVEL either lets that through or hides real errors too. So descriptor 2 becomes a
pipe to a small process, this file run as a script, which passes on all lines but the known ones.
It is a process and not a thread so that nothing is lost when the program crashes, and so that C++
code which writes while it holds Python's lock never waits for a reader that needs this lock.

Python's own `sys.stderr` keeps the terminal: tracebacks and progress bars do not pass here.
"""

import atexit
import os
import re
import select
import signal
import subprocess
import sys
import time

_CHATTER = re.compile(
    rb"""
      I\d{4}\ .*\.cc:\d+\]                        # every message of C++ at the level INFO
    | WARNING:\ All\ log\ messages\ before\ absl::InitializeLog
    | To\ enable\ the\ following\ instructions:   # the second line of such a message
    | INFO:\ Created\ TensorFlow\ Lite            # LiteRT's own form of INFO
    # Errors where there is no GPU; with a GPU that does not work they read otherwise.
    | E\d{4}\ .*failed\ call\ to\ cuInit:.*(UNKNOWN\ ERROR\ \(303\)|CUDA_ERROR_NO_DEVICE)
    # Where operations must be deterministic, tf.data rewrites a parallel map and forgets this.
    | E\d{4}\ .*node_def_util\.cc:\d+\]\ NodeDef\ mentions\ attribute\ use_unbounded_threadpool
    # The LiteRT converter lists its settings, and what it ignores and skips in every conversion.
    | fully_quantize:\ \d
    | W\d{4}\ .*\.cc:\d+\]\ Ignored\ (output_format|drop_control_dependency)\.
    | W\d{4}\ .*\.cc:\d+\]\ Skipping\ runtime\ version\ metadata
    # What TensorFlow raises as well, so that the program's own line says it.
    | W\d{4}\ .*local_rendezvous\.cc:\d+\]\ Local\ rendezvous\ is\ aborting
    | W\d{4}\ .*op_kernel\.cc:\d+\]\ OP_REQUIRES\ failed\ at\ save_restore
    """,
    re.VERBOSE,
)

# This process ends when the program closes the pipe, not by a signal to both of them.
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


def hide() -> None:
    """Hides the known lines from now on, in child processes too, until this process ends."""
    if sys.stderr is None:  # closed by who started the program
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    # The signals are meant for the program; the process inherits that they are blocked.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=terminal
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    sys.stderr = os.fdopen(terminal, "w", buffering=1, errors="backslashreplace")
    atexit.register(_restore, reader, terminal)


def _restore(reader: subprocess.Popen, terminal: int) -> None:
    """Waits for the last lines, though not for children that live on and hold the pipe."""
    os.dup2(terminal, 2)
    deadline = time.monotonic() + 1
    while reader.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _pass_on(source: int, target: int) -> None:
    """Copies lines from one descriptor to another until the end, except the known ones."""
    pending = b""
    while True:
        # A line without an end, such as a prompt, is passed on when nothing follows.
        ready = select.select([source], [], [], 0.1 if pending else None)[0]
        data = os.read(source, 65536) if ready else b""
        *lines, pending = (pending + data).splitlines(keepends=True) or [b""]
        if not data or pending.endswith((b"\n", b"\r")):
            lines, pending = [*lines, pending], b""
        text = b"".join(line for line in lines if not _CHATTER.match(line))
        while text:
            text = text[os.write(target, text) :]
        if ready and not data:
            return


if __name__ == "__main__":
    _pass_on(0, 1)
