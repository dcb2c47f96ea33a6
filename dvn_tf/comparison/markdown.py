"""Markdown tables, and how numbers read in them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvn_tf.comparison.statistics import Estimate

Table = tuple[list[str], list[list[str]]]  # head and rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns line up in plain text, too.

    Args:
        head: the columns' titles.
        rows: the cells; the first column is set left, all others right.
    """
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = []
    for row in cells:
        first, *others = zip(row, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append("| " + " | ".join(aligned) + " |")
    marks = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(marks) + " |")
    return lines


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
