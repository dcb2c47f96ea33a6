"""The one error that a user can mend.

Programs print it as a single line and exit with 1.
"""


class UserError(ValueError):
    """Input that cannot be used: the message says what is wrong and what to do.

    Every part of the library raises it for bad settings, files or data. It is a `ValueError`,
    so that library users can catch it as they would expect.
    """
