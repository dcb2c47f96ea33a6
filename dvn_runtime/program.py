"""How the device's programs end: with one line, whatever happens, and a status that says why."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable

from dvn_runtime.errors import LINE_LIMIT, UserError, one_line, was_interrupted

_UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
_READER_GONE = 141


class Parser(argparse.ArgumentParser):
    """Parses arguments as argparse does, but a wrong one is a `UserError` of one line."""

    def error(self, message: str):
        raise UserError(f"{message} (--help lists the arguments)")


def run(main: Callable[[list[str]], int], argv: list[str], interrupted: str) -> int:
    """Runs a program, and ends it with one line whatever happens.

    Args:
        main: the program; it takes the arguments, and returns an exit status.
        argv: its arguments; "--debug" among them shows the traceback of an error.
        interrupted: what Ctrl-C has left undone, for the line about it.

    Returns:
        The exit status: that of `main`, 1 for an error that the user can mend, 70 for one that
        nobody foresaw, 130 for Ctrl-C, or 141 if nobody reads the output any more.
    """
    try:
        status = main(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Python would complain at its end about output that it cannot write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except UserError as error:
        return report("error", error)
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in argv:
            traceback.print_exc()
        if was_interrupted(error):
            report("interrupted", interrupted)
            return _INTERRUPTED
        name = f"{type(error).__name__}: {error}"
        report("error", f"unexpected {name} (--debug shows the traceback; please report it)")
        return _UNEXPECTED


def report(kind: str, message) -> int:
    """Prints a line such as "error: ..." to stderr, and gives the exit status 1."""
    print(one_line(f"{kind}: {message}", LINE_LIMIT), file=sys.stderr)
    return 1
