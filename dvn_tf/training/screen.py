"""Where a run prints: a terminal, whose last line is drawn again in place, or a log file."""

import os
import shutil
import sys
from typing import TextIO


class Screen:
    """Prints lines, and on a terminal one line below them that changes.

    Args:
        stream: a terminal or a file; None is standard output.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False

    def draw(self, line: str) -> None:
        """Draws the changing line; a log file does not get it."""
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1  # a full line would wrap
            self.stream.write(f"\r{line[:width]}\x1b[K")
            self.stream.flush()
            self._drawn = True

    def clear(self) -> None:
        """Takes the changing line away."""
        if self._drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._drawn = False

    def print(self, text: str = "") -> None:
        """Prints lines that stay."""
        self.clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()
