"""The errors that tell users what they can do; programs print them as one line and exit with 1."""


class UserError(ValueError):
    """Raised for settings, files or data that cannot be used.

    The message says what is wrong and what to do. It is a `ValueError`, which is what callers
    of a library expect to catch.
    """


class RefusedFileError(UserError):
    """Raised for a file that is not what the manifest says; the message names it and says why."""


def shortened(value) -> str:
    """How messages write a value that may be long.

    Args:
        value: any value.
    """
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
