"""The errors that tell users what they can do, and how messages write what they are about.

Programs print an error as one line and exit with 1. Values and texts in it may come from a
stranger's file, so they are cut, and characters that steer a terminal are spelled out.
"""

import reprlib

LINE_LIMIT = 2000  # characters of a line that a program prints


class UserError(ValueError):
    """Raised for settings, files or data that cannot be used.

    The message says what is wrong and what to do. It is a `ValueError`, which is what callers
    of a library expect to catch.
    """


class RefusedFileError(UserError):
    """Raised for a file that is not what the manifest says; the message names it and says why."""


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, or what a library in C made of it.

    Args:
        error: the error; None is none.
    """
    return error is not None and (
        isinstance(error, KeyboardInterrupt) or was_interrupted(error.__cause__)
    )


def shown(value) -> str:
    """A value as messages show it: its `repr`, in one line of bounded length.

    Args:
        value: any value, however long or deeply nested.
    """
    return printable(_Shown().repr(value))


def one_line(text, longest: int = 200) -> str:
    """A text in one line of bounded length.

    Args:
        text: the text, or an error whose message it is.
        longest: the greatest length, in characters; the middle of a longer text is left out.
    """
    words = " ".join(str(text).split())
    if len(words) > longest:
        words = f"{words[: longest // 2]} ... {words[-longest // 2 :]}"
    return printable(words)


def printable(text: str) -> str:
    """Text without characters that steer a terminal, or that cannot be written."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Shown(reprlib.Repr):
    def __init__(self):
        super().__init__()
        self.maxlevel = self.maxdict = 3
        self.maxtuple = self.maxlist = 6
        self.maxstring = self.maxother = 60

    def repr_int(self, value, level):
        # Python writes no numbers of more than 4300 digits.
        return repr(value) if value.bit_length() < 128 else f"a number of {value.bit_length()} bits"
