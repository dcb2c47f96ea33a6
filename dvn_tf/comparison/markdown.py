"""How numbers and lists read in a report."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dvn_tf.markdown import Table, table

if TYPE_CHECKING:
    from dvn_tf.comparison.statistics import Estimate

__all__ = [
    "Table",
    "count",
    "duration",
    "joined",
    "megabytes",
    "p_value",
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
    return f"{number} seed{'s' * (number > 1)}: {', '.join(map(str, numbers))}"


def joined(words: Sequence[str]) -> str:
    """ "a", "a and b" or "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
