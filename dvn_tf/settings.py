"""Settings that are checked: the fields of a dataclass, by their annotations.

    @dataclasses.dataclass(frozen=True)
    class Recipe:
        epochs: Annotated[int, Between(1, 100_000)] = 200

        def __post_init__(self):
            check_settings(self)

`Recipe(epochs=True)` then raises "Recipe.epochs must be a whole number from 1 to 100,000, not
True". Annotations may be `int`, `float`, `bool`, `str`, a class, a sequence of these, and a choice
among them with `|`; `Annotated` adds rules. A bool is no number, text is no sequence, and numbers
are finite.
"""

import collections.abc
import dataclasses
import functools
import math
import numbers
import re
import types
import typing

from dvn_tf.errors import UserError, shown

_TEXT_LIMIT = 4096  # characters; no path is longer
_LENGTH_LIMIT = 100_000  # elements of a sequence that has no rule of its own
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SEQUENCES = (collections.abc.Sequence, tuple)
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclasses.dataclass(frozen=True)
class Between:
    """Numbers of an interval.

    Args:
        low: the lower end.
        high: the upper end.
        without_low: whether the lower end itself is excluded.
        without_high: whether the upper end itself is excluded.
    """

    low: float
    high: float
    without_low: bool = False
    without_high: bool = False

    def allows(self, value) -> bool:
        """Says whether a number lies in the interval."""
        above = self.low < value if self.without_low else self.low <= value
        return above and (value < self.high if self.without_high else value <= self.high)

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be: "a number from 0 to below 1"."""
        kind = kind.replace("finite ", "")  # the interval says so
        start = f"above {self.low:,} and" if self.without_low else f"from {self.low:,} to"
        end = "below " if self.without_high else "at most " if self.without_low else ""
        return f"{kind} {start} {end}{self.high:,}"


@dataclasses.dataclass(frozen=True, init=False)
class OneOf:
    """Some values, such as `OneOf("step", "cosine")`."""

    values: tuple

    def __init__(self, *values):
        object.__setattr__(self, "values", values)

    def allows(self, value) -> bool:
        """Says whether a value is one of these."""
        return value in self.values

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be: "'step' or 'cosine'"."""
        *others, last = map(repr, self.values)
        return f"{', '.join(others)} or {last}" if others else last


@dataclasses.dataclass(frozen=True)
class FileName:
    """Text that is safe in the name of a file or folder: letters, digits, `_` and `-`."""

    def allows(self, value) -> bool:
        """Says whether text is such a name."""
        return bool(_FILE_NAME.fullmatch(value))

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be."""
        return "a name of at most 100 letters, digits, '_' and '-'"


@dataclasses.dataclass(frozen=True)
class Length:
    """How many elements a sequence has, or characters a text.

    Args:
        low: the least number.
        high: the greatest number.
    """

    low: int
    high: int

    def allows(self, value) -> bool:
        """Says whether a sequence or text has such a length."""
        return self.low <= len(value) <= self.high

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be: "text of 1 to 100 characters"."""
        if kind == "text":
            return f"text of {self.low:,} to {self.high:,} characters"
        return f"{kind}, with {self.low:,} to {self.high:,} elements"


@dataclasses.dataclass(frozen=True)
class Described:
    """Words for a class in error messages.

    Args:
        one: such as "a backbone such as @WideResNet()".
        several: such as "backbones such as @WideResNet()".
    """

    one: str
    several: str = ""

    def allows(self, value) -> bool:
        """Always true: the class itself decides."""
        return True

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be."""
        return self.several if plural else self.one


@dataclasses.dataclass(frozen=True)
class Lines:
    """Text of any length that may have several lines."""

    def allows(self, value) -> bool:
        """Always true."""
        return True

    def describe(self, kind: str, plural: bool) -> str:
        """What a value must be."""
        return kind


def check_settings(instance, label: str | None = None) -> None:
    """Checks all fields of a dataclass by their annotations; to be called in `__post_init__`.

    Sequences become tuples, and NumPy's numbers Python's.

    Args:
        instance: the dataclass, frozen or not.
        label: what stands before a field's name in the error; None is the class's name and a dot.

    Raises:
        UserError: for the first field that cannot be used.
    """
    label = f"{type(instance).__name__}." if label is None else label
    for name, hint in field_hints(type(instance)).items():
        kept = checked(hint, getattr(instance, name), f"{label}{name}")
        object.__setattr__(instance, name, kept)


@functools.cache
def field_hints(cls: type) -> dict[str, typing.Any]:
    """The annotations of a dataclass's fields, with their rules: {field: annotation}."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def checked(hint, value, name: str):
    """Checks a value by an annotation.

    Args:
        hint: the annotation, such as `Annotated[int, Between(1, 10)]`.
        value: the value.
        name: what the error calls it.

    Returns:
        The value, sequences as tuples and numbers as Python's.

    Raises:
        UserError: if the annotation does not allow the value.
    """
    try:
        return _kept(hint, value)
    except _Refused:
        raise UserError(f"{name} must be {_describe(hint)}, not {shown(value)}") from None


class _Refused(Exception):
    """A value is not of its annotation's kind."""


def _kept(hint, value):
    base, rules = split_hint(hint)
    kind = typing.get_origin(base) or base
    if kind in (typing.Union, types.UnionType):
        return _first_kept(typing.get_args(base), value)
    if kind in _SEQUENCES:
        value = _kept_elements(base, rules, value)
    elif kind is int:
        _require(isinstance(value, numbers.Integral) and not isinstance(value, bool))
        value = int(value)
    elif kind is float:
        value = _kept_number(value)
    elif kind is str:
        _require(isinstance(value, str) and (Lines() in rules or _is_text(value)))
    elif isinstance(kind, type):
        _require(isinstance(value, kind))
    _require(all(rule.allows(value) for rule in rules))
    return value


def _first_kept(options, value):
    for option in options:
        try:
            return _kept(option, value)
        except _Refused:
            continue
    raise _Refused


def _kept_elements(base, rules, value) -> tuple:
    is_sequence = isinstance(value, collections.abc.Sequence) and not isinstance(
        value, str | bytes | bytearray
    )
    _require(is_sequence and len(value) <= _LENGTH_LIMIT)
    _require(all(rule.allows(value) for rule in rules))  # before the elements
    element = typing.get_args(base)[0]
    return tuple(_kept(element, item) for item in value)


def _kept_number(value) -> int | float:
    _require(isinstance(value, numbers.Real) and not isinstance(value, bool))
    try:
        number = float(value)
    except OverflowError:
        raise _Refused from None
    _require(math.isfinite(number))
    return value if type(value) in (int, float) else number


def _require(condition: bool) -> None:
    if not condition:
        raise _Refused


def _is_text(value: str) -> bool:
    if len(value) > _TEXT_LIMIT or _CONTROL.search(value):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def split_hint(hint) -> tuple[typing.Any, tuple]:
    """An annotation without `Annotated`, and the rules that stood there."""
    if typing.get_origin(hint) is typing.Annotated:
        base, *rules = typing.get_args(hint)
        return base, tuple(rule for rule in rules if hasattr(rule, "allows"))
    return hint, ()


_WORDS = {
    bool: ("True or False", "True or False"),
    int: ("a whole number", "whole numbers"),
    float: ("a finite number", "finite numbers"),
    str: ("text", "texts"),
    types.NoneType: ("None", "None"),
}


def _describe(hint, plural: bool = False) -> str:
    """What a value must be, in words."""
    base, rules = split_hint(hint)
    kind = typing.get_origin(base) or base
    if kind in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in typing.get_args(base))
    if kind in _SEQUENCES:
        elements = _describe(typing.get_args(base)[0], plural=True)
        words = f"lists of {elements}" if plural else f"a list of {elements}"
    else:
        words = _WORDS.get(kind, (f"a {kind.__name__}", f"{kind.__name__}s"))[plural]
    for rule in rules:
        words = rule.describe(words, plural)
    return words
