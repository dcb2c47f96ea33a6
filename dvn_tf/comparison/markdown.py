"""How numbers and lists read in a report."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dvn_tf.markdown import Table, table

if TYPE_CHECKING:
    from dvn_tf.comparison.statistics import Estimate

_MOST_DIGITS = 15
_MOST_LISTED = 4  # seeds in a row

__all__ = [
    "Table",
    "bounds",
    "count",
    "duration",
    "joined",
    "megabytes",
    "multiply_adds",
    "p_value",
    "points",
    "seed_list",
    "seeds",
    "table",
    "with_interval",
]


def with_interval(value: "Estimate", sign: str = "", unit: str = "") -> str:
    """ "94.61 ± 0.21", or each seed's value where there is no interval.

    An interval that excludes 0 has as many digits as it takes to see that.

    Args:
        value: what to write.
        sign: "+" also marks numbers that are not negative.
        unit: what follows the numbers, such as " %".
    """
    if value.half is None:
        return ", ".join(f"{seed:{sign}z.2f}" for seed in value.values) + unit
    if value.half == 0:
        return f"{value.mean:{sign}z.2f}{unit} (every seed)"
    digits = 2
    if abs(value.mean) > value.half:
        while round(abs(value.mean), digits) <= round(value.half, digits):
            digits += 1
    return f"{value.mean:{sign}z.{digits}f} ± {value.half:.{digits}f}{unit}"


def bounds(low: float, high: float, limit: float | None = None) -> str:
    """An interval as "[-0.83, +0.01]".

    It has as many digits as it takes to see on which side of a limit either end is.
    """
    digits = 2
    while (
        limit is not None
        and digits < _MOST_DIGITS
        and any(
            (round(end, digits) < limit, round(end, digits) > limit) != (end < limit, end > limit)
            for end in (low, high)
        )
    ):
        digits += 1
    return f"[{low:+z.{digits}f}, {high:+z.{digits}f}]"


def points(number: float) -> str:
    """ "1.0 point" or "0.5 points"."""
    return f"{float(number)} point{'s' * (number != 1)}"


def p_value(value: float, limit: float) -> str:
    """A p value, with as many digits as it takes to see whether it is below a limit."""
    if math.isnan(value):
        return "—"
    if value < 0.001:
        return "< 0.001"
    digits = 3
    while (round(value, digits) < limit) != (value < limit):
        digits += 1
    return f"{value:.{digits}f}"


def count(number: float) -> str:
    """A count of parameters as the paper writes it: 7.4M."""
    if number >= 1e6:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e3:.1f}k" if number >= 1e3 else f"{number:.0f}"


def megabytes(number: float) -> str:
    """A number of bytes in MB (10^6 bytes)."""
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e6:.3f} MB"


def multiply_adds(number: float) -> str:
    """A number of multiply-adds with a prefix of the SI: "21.6 T" (10^12); "—" for NaN."""
    if math.isnan(number):
        return "—"
    for prefix, unit in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= unit:
            return f"{number / unit:,.1f} {prefix}"
    return f"{number:,.0f}"


def duration(seconds: float) -> str:
    """A time as "2 h 05 min", "3 min 20 s" or "45 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def seeds(numbers: Sequence[int]) -> str:
    """ "3 seeds: 0, 1, 2"."""
    number = len(numbers)
    return f"{number} seed{'s' * (number > 1)}: {seed_list(numbers)}"


def seed_list(numbers: Sequence[int]) -> str:
    """ "0, 1, 4", or "0 to 7" of more than four in a row; "none" of none."""
    if len(numbers) > _MOST_LISTED and [*numbers] == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers)) or "none"


def joined(words: Sequence[str]) -> str:
    """ "a", "a and b" or "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
