"""The one error that a user can mend; `dvn_runtime` raises it too, so it is defined there."""

from dvn_runtime.errors import UserError, one_line, shown

__all__ = ["UserError", "one_line", "shown"]
