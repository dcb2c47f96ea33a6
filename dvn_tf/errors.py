"""The one error that a user can mend.

Programs print it as a single line and exit non-zero; see `dvn_tf.programs`.
"""


class UserError(ValueError):
    """Input that cannot be used: the message says what is wrong and what to do.

    Raised by every part of the library for bad settings, files or data. It is a
    `ValueError`, so that library users can catch it as they would expect.
    """
