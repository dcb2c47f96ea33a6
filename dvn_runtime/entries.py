"""JSON objects that strangers may have written, whose values are checked as they are read."""

import math
from collections.abc import Mapping

from dvn_runtime.errors import UserError, shown


class Entry:
    """A JSON object whose values are checked as they are read.

    Args:
        content: the object.
        name: what messages call it.
    """

    def __init__(self, content, name: str):
        if not isinstance(content, Mapping):
            raise UserError(f"{name} is not a JSON object")
        self.content = content
        self.name = name

    def get(self, key: str, kind: type, least: int = 0, most: float = math.inf, among=()):
        """A value of the given type; a number lies in least..most, a text is one of `among`."""
        if key not in self.content:
            raise UserError(f"{self.name} has no {key!r}")
        value = self.content[key]
        if not _is(value, kind):
            raise self.error(key, f"of type {kind.__name__}")
        if kind in (int, float) and value < least:
            raise self.error(key, f"at least {least}")
        if kind in (int, float) and value > most:
            raise self.error(key, f"at most {most:,}")
        if among and value not in among:
            raise self.error(key, f"one of {', '.join(among)}")
        return value

    def numbers(self, key: str, kind: type) -> tuple:
        """The value of a key, checked to be a list of numbers."""
        values = self.get(key, list)
        if not all(_is(value, kind) for value in values):
            raise self.error(key, f"a list of numbers of type {kind.__name__}")
        return tuple(values)

    def error(self, key: str, expected: str) -> UserError:
        """An error that says what a value is, and what it must be."""
        value = shown(self.content[key])
        return UserError(f"{self.name}: {key!r} is {value}, but must be {expected}")


def _is(value, kind: type) -> bool:
    if isinstance(value, bool):  # a bool is an int to Python, but not to a reader of JSON
        return kind is bool
    if kind is float and isinstance(value, float):
        return math.isfinite(value)  # Python's JSON knows NaN and Infinity
    return isinstance(value, int if kind is float else kind)
