"""Reads tables of flatbuffers with every offset checked, as files of strangers need it.

The classes that come with LiteRT check nothing: an offset that leads out of the file makes them
read somewhere else. The format is described at https://flatbuffers.dev/internals.
"""

import struct

import numpy as np

from dvn_runtime.errors import UserError


class Table:
    """A table of a flatbuffer. Fields are numbered as in the schema.

    Args:
        content: the flatbuffer.
        position: where the table begins.
        name: what messages call it.

    Raises:
        UserError: if the table, here or in any method, does not lie inside the flatbuffer.
    """

    def __init__(self, content: memoryview, position: int, name: str):
        self.name = name
        self._content = content
        self._position = position
        offsets = position - self._read("i", position)
        length = self._read("H", offsets)
        if length < 4 or length % 2:
            raise self._leads_out()
        # The offset of each field from the table's beginning; 0 if the field is not there.
        self._offsets = self._view(offsets + 4, length // 2 - 2, np.dtype("<u2"))

    def knows(self, count: int) -> None:
        """Refuses fields after the first `count`, which are unknown to the caller."""
        if self._offsets[count:].any():
            raise UserError(f"{self.name} has fields that this version does not know")

    def has(self, *fields: int) -> bool:
        """Whether any of some fields is there."""
        return any(self._place(field) is not None for field in fields)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """A number.

        Args:
            field: its field.
            kind: its type, as `struct` calls it.
            default: its value if it is not there.
        """
        place = self._place(field)
        return default if place is None else self._read(kind, place)

    def numbers(self, field: int, dtype: str) -> np.ndarray:
        """A list of numbers, as a view of the flatbuffer; empty if it is not there."""
        item = np.dtype(dtype).newbyteorder("<")
        start, length = self._list(field)
        return self._view(start, length, item)

    def table(self, field: int) -> "Table | None":
        """A table, or None if it is not there."""
        place = self._place(field)
        return None if place is None else self._follow(place, self.name)

    def tables(self, field: int, name: str, most: int) -> "list[Table]":
        """A list of tables; empty if it is not there.

        Args:
            field: its field.
            name: what messages call each, before its number.
            most: the greatest length.
        """
        start, length = self._list(field)
        if length > most:
            raise UserError(f"{self.name} has {length:,} of {name}, and at most {most:,} are read")
        return [self._follow(start + 4 * i, f"{name} {i}") for i in range(length)]

    def _place(self, field: int) -> int | None:
        if field >= len(self._offsets) or not self._offsets[field]:
            return None
        return self._position + int(self._offsets[field])

    def _list(self, field: int) -> tuple[int, int]:
        """Where the items of a list begin, and how many they are."""
        place = self._place(field)
        if place is None:
            return 0, 0
        place += self._read("I", place)
        return place + 4, self._read("I", place)

    def _follow(self, place: int, name: str) -> "Table":
        return Table(self._content, place + self._read("I", place), name)

    def _read(self, kind: str, place: int) -> int:
        if not 0 <= place <= len(self._content) - struct.calcsize(kind):
            raise self._leads_out()
        return struct.unpack_from(f"<{kind}", self._content, place)[0]

    def _view(self, start: int, length: int, item: np.dtype) -> np.ndarray:
        if not 0 <= start <= len(self._content) - length * item.itemsize:
            raise self._leads_out()
        return np.frombuffer(self._content, item, length, start)

    def _leads_out(self) -> UserError:
        return UserError(f"{self.name} leads out of the file")
