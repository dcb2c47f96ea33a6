"""The error that tells users what they can do; programs print it as one line and exit with 1."""


class UserError(ValueError):
    """Raised for settings, files or data that cannot be used.

    The message says what is wrong and what to do. It is a `ValueError`, which is what callers
    of a library expect to catch.
    """
