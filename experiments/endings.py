"""How a program ends: with one line, whatever happens, and an exit status that says why.

`experiments/__init__.py` installs this before anything else is imported, so it imports nothing
slow itself. While a program starts, Ctrl-C ends the process at once: libraries that are being
imported swallow exceptions, or turn them into others. While it works, Ctrl-C raises
KeyboardInterrupt, so that half-written files are removed. A second Ctrl-C ends it at once. SIGTERM,
by which schedulers take a machine back, does the same with another status.
"""

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from dvn_runtime.errors import LINE_LIMIT, UserError, one_line

USER_ERROR = 1
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
READER_GONE = 128 + signal.SIGPIPE

_REPORT = "(--debug shows the traceback; please report it)"
_STARTING, _WORKING, _DONE = "starting", "working", "done"


class _State:
    phase = _STARTING
    interrupted = 0  # the signal that came while it worked
    status = 0  # once it is done


class Ended(Exception):
    """Ends a program with a line and an exit status of its own.

    Args:
        status: the exit status.
        line: what is printed.
    """

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status


def install() -> None:
    """Takes over Ctrl-C, SIGTERM, and the tracebacks that nobody catches."""
    for number, default in SIGNALS.items():
        # A shell starts background jobs with SIGINT ignored, and they should keep ignoring it.
        if signal.getsignal(number) is default:
            signal.signal(number, on_signal)
    if sys.excepthook is not _on_uncaught:
        sys.excepthook, sys.unraisablehook = _on_uncaught, _on_unraisable
        atexit.register(_end)  # the first that is registered is the last that runs


def end_before_libraries() -> None:
    """Lets a program end before the libraries that are imported by now clean up.

    They might wait for other processes.
    """
    atexit.register(_end)


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Marks imports that take seconds: Ctrl-C ends the process at once."""
    _State.phase = _STARTING
    try:
        yield
    finally:
        _State.phase = _WORKING


def run(work: Callable[[], int | None], interrupted: Callable[[], str], debug: bool = False) -> int:
    """Does a program's work, and says in one line how it ended if that was not well.

    Args:
        work: the work; it may return an exit status.
        interrupted: gives the sentence that follows "interrupted: ".
        debug: whether tracebacks are shown.

    Returns:
        The exit status.
    """
    if threading := sys.modules.get("threading"):
        threading.excepthook = _on_thread
    if sys.stdout is not None:  # a file name may have bytes that are no characters
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _State.phase = _WORKING
        try:
            status = work() or 0
            if sys.stdout is not None:
                sys.stdout.flush()
            if _State.interrupted:  # a library swallowed the exception
                status = _interrupted(interrupted)
        except Ended as end:
            _print(one_line(end, LINE_LIMIT))
            status = end.status
        except UserError as error:
            # A library may have turned the interrupt into an exception of its own.
            status = _interrupted(interrupted) if _State.interrupted else fail(error)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            _State.phase, _State.status = _DONE, status
            raise
        except BaseException as error:
            if debug:
                _show_traceback(error)
            if _State.interrupted or isinstance(error, KeyboardInterrupt):
                status = _interrupted(interrupted)
            elif isinstance(error, BrokenPipeError) and _reader_is_gone():
                status = READER_GONE
            else:
                status = unexpected(error)
    except KeyboardInterrupt:  # it came between the lines above
        status = _interrupted(interrupted)
    _State.phase, _State.status = _DONE, status
    _drop_output()
    return status


def fail(message: Exception | str) -> int:
    """Prints the line of an error that the user can mend, and gives the exit status."""
    _print(f"error: {one_line(message, LINE_LIMIT)}")
    return USER_ERROR


def unexpected(error: BaseException) -> int:
    """Prints the line of an error that nobody foresaw, and gives the exit status."""
    _print(f"error: unexpected {_named(error)} {_REPORT}")
    return UNEXPECTED


def _interrupted(sentence: Callable[[], str]) -> int:
    _State.interrupted = _State.interrupted or signal.SIGINT
    try:
        _print(f"interrupted: {one_line(sentence(), LINE_LIMIT)}")
    except Exception:  # the sentence looks at files, and must not hide the interrupt
        _print("interrupted")
    return 128 + _State.interrupted


def on_signal(number: int, frame=None) -> None:
    """What Ctrl-C and SIGTERM do.

    Args:
        number: of the signal.
        frame: what Python hands to handlers of signals.

    Raises:
        KeyboardInterrupt: while the program works.
    """
    if _State.phase is _STARTING:
        leave(number, "interrupted: the program was still starting and has written nothing")
    if _State.phase is _DONE:
        if _State.status:
            os._exit(_State.status)  # its line is printed
        leave(number, "interrupted: the work was already done")
    if _State.interrupted:
        leave_twice(number)
    _State.interrupted = number
    raise KeyboardInterrupt


def _on_uncaught(kind, error, trace) -> None:
    """Replaces Python's traceback, which would end the program with status 1."""
    if "--debug" in sys.argv:
        _show_traceback(error)
    if isinstance(error, KeyboardInterrupt):
        leave(signal.SIGINT, "interrupted")
    unexpected(error)
    if _State.phase is _STARTING:
        os._exit(UNEXPECTED)


def _on_thread(args) -> None:
    if args.exc_type is not SystemExit and not _State.interrupted:
        unexpected(args.exc_value or args.exc_type())


def _on_unraisable(args) -> None:
    """Stands for Python's "Exception ignored in"."""
    if issubclass(args.exc_type, KeyboardInterrupt) and _State.phase is _WORKING:
        # It came while an object was deleted or C code called back: it comes again.
        number, _State.interrupted = _State.interrupted or signal.SIGINT, 0
        signal.signal(signal.SIGALRM, lambda *_: on_signal(number))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    elif not _State.interrupted and _State.phase is not _DONE:
        _print(f"warning: ignored {_named(args.exc_value or args.exc_type())}")


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as with `| head`."""
    import select

    with contextlib.suppress(OSError, ValueError, AttributeError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def _end() -> None:
    """Ends the process before Python tears it down.

    Libraries in C++ may crash there, as HDF5 does after a full disk, and replace the exit status;
    and Python hands Ctrl-C back to the system, which would kill the process without a word.
    """
    if _State.phase is _DONE:
        _drop_output()
        os._exit(_State.status)


def _drop_output() -> None:
    """Keeps Python from complaining at its end about output that cannot be written."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show_traceback(error: BaseException) -> None:
    import traceback

    with contextlib.suppress(OSError, ValueError):
        traceback.print_exception(error)


def _named(error: BaseException) -> str:
    try:
        message = one_line(error, LINE_LIMIT)
    except Exception:  # its own __str__ may fail
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _print(line: str) -> None:
    """Prints a line to stderr, which may be closed, full or a pipe without a reader."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        after_echo = line.startswith(("interrupted", "stopp")) and sys.stderr.isatty()  # of ^C
        start = "\n" if after_echo else ""
        print(f"{start}{line}", file=sys.stderr, flush=True)


def leave_twice(number: int) -> None:
    """Ends the process at once, because a second signal came."""
    leave(number, "interrupted twice: ended at once, and unfinished files may be left")


def leave(number: int, line: str) -> None:
    """Ends the process at once.

    Args:
        number: of the signal that ends it.
        line: what is printed.
    """
    say(line)
    os._exit(128 + number)


def say(line: str) -> None:
    """Prints a line at any moment: the handler of a signal cannot use Python's own buffers."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.write(sys.stderr.fileno(), f"{line}\n".encode())
