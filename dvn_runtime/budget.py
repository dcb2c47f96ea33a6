"""How much memory the loaded networks may take, in bytes or in parameters."""

import dataclasses
import decimal
import numbers
import re

from dvn_runtime.errors import UserError, shown

BYTES = "bytes"
PARAMETERS = "parameters"
RESIDENT = "bytes of resident memory"

_MOST = 10**18  # bytes or parameters
_LONGEST = 100  # characters
# Decimal and binary multiples: 8MB is 8,000,000 bytes, 8MiB is 8,388,608.
_BYTE_UNITS = {
    "": 1,
    "b": 1,
    "byte": 1,
    "bytes": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_PARAMETERS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmg]?)\s*(?:params?|parameters?)", re.I)
_BYTES = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.I)


@dataclasses.dataclass(frozen=True)
class Budget:
    """The most that all loaded networks together may take.

    Args:
        limit: the amount; None is no limit.
        measure: what is counted: `BYTES` (of the files), `PARAMETERS`, or `RESIDENT` (bytes that
            the networks add to the process).
    """

    limit: int | None
    measure: str = BYTES

    def __post_init__(self):
        if self.limit is not None:
            whole = isinstance(self.limit, numbers.Integral) and not isinstance(self.limit, bool)
            if not whole or not 1 <= self.limit < _MOST:
                raise UserError(
                    f"a budget must be positive and less than {_MOST:.0e}, not {shown(self.limit)}"
                )

    def __str__(self) -> str:
        return "no limit" if self.limit is None else f"{self.limit:,} {self.measure}"


def parse_budget(budget: "str | int | Budget | None") -> Budget:
    """Parses a budget such as people write it.

    Args:
        budget: a whole number of bytes, or text such as "8MB", "500kB", "2MiB" or
            "1.5M params", in upper or lower case; None is no limit.

    Returns:
        The budget, rounded down to whole bytes or parameters.

    Raises:
        UserError: if it cannot be parsed, or is not positive.
    """
    if budget is None or isinstance(budget, Budget):
        return budget or Budget(None)
    if isinstance(budget, numbers.Integral) and not isinstance(budget, bool):
        amount, measure = int(budget), BYTES
    elif isinstance(budget, str):
        amount, measure = _parse_text(budget)
    else:
        raise _unreadable(budget)
    return Budget(amount, measure)


def parse_budgets(budget: "str | int | Budget | None", resident: "str | int | None") -> Budget:
    """Parses a budget of files or parameters, or one of resident memory; not both can be given.

    Args:
        budget: as for `parse_budget`.
        resident: in bytes, in the same forms.

    Returns:
        The budget; no limit if neither is given.

    Raises:
        UserError: as for `parse_budget`, if both are given, or if `resident` is in parameters.
    """
    if resident is None:
        return parse_budget(budget)
    if budget is not None:
        raise UserError(
            "budget and resident exclude each other: give budget to count the bytes of files, or "
            "resident to count memory"
        )
    parsed = parse_budget(resident)
    if parsed.measure == PARAMETERS:
        raise UserError(f"resident takes bytes such as '8MB', not {shown(resident)}")
    return Budget(parsed.limit, RESIDENT)


def _parse_text(text: str) -> tuple[int, str]:
    if len(text) > _LONGEST:
        raise _unreadable(text)
    stripped = text.strip()
    if match := _PARAMETERS.fullmatch(stripped):
        factor, measure = _MULTIPLES[match[2].lower()], PARAMETERS
    elif (match := _BYTES.fullmatch(stripped)) and match[2].lower() in _BYTE_UNITS:
        factor, measure = _BYTE_UNITS[match[2].lower()], BYTES
    else:
        raise _unreadable(text)
    return int(decimal.Decimal(match[1]) * factor), measure  # a float would make 434 of 4.35e2


def _unreadable(budget) -> UserError:
    return UserError(
        f"{shown(budget)} is no budget: give bytes such as '8MB', '500kB' or '2MiB', or "
        "parameters such as '1.5M params'"
    )
