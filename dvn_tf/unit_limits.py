"""Bounds on the numbers of tasks, levels and units, so that no table takes all memory."""

import contextlib
import itertools
import operator

from dvn_tf.errors import UserError
from dvn_tf.settings import checked

UNIT_LIMIT = 256  # units of a network, levels of a task, tasks: the paper has up to 4 of each


def bounded(values) -> tuple:
    """A sequence as a tuple, which is read no further than needed to see that it is too long."""
    if isinstance(values, str | bytes):
        raise TypeError("text is no sequence of units")
    return tuple(itertools.islice(values, UNIT_LIMIT + 1))


def checked_numbers(kind: type, values, name: str) -> tuple:
    """A sequence of numbers of a kind, one for each unit or level, checked.

    Raises:
        UserError: if it is no such sequence, or a longer one than a network can have.
    """
    with contextlib.suppress(TypeError):  # `checked` says what is wrong
        values = bounded(values)
    values = checked(tuple[kind, ...], values, name)
    check_limit(len(values), f"units, but {name} are for more")
    return values


def unit_number(value) -> int:
    """The number of a unit as Python's int.

    Raises:
        TypeError: if it is no whole number.
    """
    if isinstance(value, bool):
        raise TypeError("a bool is no unit")
    return operator.index(value)


def check_limit(number: int, what: str) -> None:
    """Checks that a network can have so many units, levels or tasks.

    Raises:
        UserError: if it cannot.
    """
    if number > UNIT_LIMIT:
        raise UserError(f"a network has at most {UNIT_LIMIT} {what}: use fewer")
