"""How far the preparing and reading of images has come.

On stderr, a terminal shows one line that is redrawn; anything else, such as a log, gets a plain
line now and then. What has been read is printed to stdout. Nothing is shown unless the caller of
`load` asks for it.
"""

import contextlib
import contextvars
import io
import sys
import time
from collections.abc import Iterator

from tqdm import tqdm

INTERVAL = 30.0  # seconds between two lines of a log
_CURSOR_UP = "\x1b[A"  # what tqdm writes between nested bars

_shown = contextvars.ContextVar("shown", default=False)


@contextlib.contextmanager
def shown(show: bool) -> Iterator[None]:
    """Shows progress on stderr within a block, or does not.

    Args:
        show: Whether to show it.
    """
    token = _shown.set(show)
    try:
        yield
    finally:
        _shown.reset(token)


def counter(total: int | None, what: str) -> tqdm:
    """Counts images; `with counter(...) as images: images.update(256)`.

    Args:
        total: How many there will be; None if that is not known.
        what: What is done with them, such as `"Reading cifar10"`.

    Returns:
        tqdm's counter.
    """
    return tqdm(
        desc=what,
        total=total,
        unit=" images",
        leave=False,
        disable=not _shown.get(),
        file=_stream(),
    )


@contextlib.contextmanager
def redirected() -> Iterator[None]:
    """Shows the progress bars of TFDS within a block as `counter` shows its own.

    What it prints to stdout is dropped.
    """
    with contextlib.redirect_stderr(_stream()), contextlib.redirect_stdout(io.StringIO()):
        yield


def note(line: str) -> None:
    """Prints a line to stdout where progress is shown."""
    if _shown.get():
        print(line, flush=True)


def _stream():
    if _shown.get() and sys.stderr is not None and sys.stderr.isatty():
        return sys.stderr
    return _Log(sys.stderr, INTERVAL if _shown.get() else float("inf"))


class _Log(io.TextIOBase):
    """Turns the redrawn lines of progress bars into plain ones, and drops most of them.

    Args:
        stream: Where lines go. Text that is not of a progress bar goes there as it is. None
            drops everything.
        interval: Seconds between two lines; the first is due after as many.
    """

    def __init__(self, stream, interval: float):
        self._stream = stream
        self._interval = interval
        self._due = time.monotonic() + interval
        self._in_line = False  # whether other text still lacks its line end

    def write(self, text: str) -> int:
        if self._stream is None:
            return len(text)
        line = text.replace(_CURSOR_UP, "").strip()
        redrawn = text.startswith("\r")
        if redrawn and line and time.monotonic() >= self._due:
            print(line, file=self._stream, flush=True)
            self._due = time.monotonic() + self._interval
        elif not redrawn and (self._in_line or line):
            self._stream.write(text)
            self._in_line = not text.endswith("\n")
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()
