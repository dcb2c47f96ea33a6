"""What the programs share: gin's flags, errors in one line, and a quiet start."""

import os
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging

from dvn_runtime.errors import UserError
from experiments import endings, folder_flags, framework_logs, gin_check
from experiments.endings import starting

__all__ = ["define_data_dir_flag", "define_gin_flags", "gin_settings", "run", "starting"]

flags.disclaim_key_flags()  # flags defined here are the calling program's, and in its --help


def define_gin_flags() -> None:
    """Defines --gin_file, --gin_param and --gin_import, all repeatable."""
    flags.DEFINE_multi_string(
        "gin_file",
        [],
        "Settings to read, such as gin/quickstart.gin; later files override earlier ones",
    )
    flags.DEFINE_multi_string(
        "gin_param",
        [],
        "A setting that overrides the files, such as 'Recipe.epochs = 10'",
    )
    define_gin_import_flag()


def define_gin_import_flag() -> None:
    """Defines --gin_import, repeatable."""
    flags.DEFINE_multi_string(
        "gin_import",
        [],
        "A Python module of yours to import, such as my_backbone. Gin files and the config.gin of "
        "a run may import and use the modules named here, and no others",
    )


def define_data_dir_flag() -> flags.FlagHolder:
    """Defines --data_dir. A folder that does not exist is refused before anything is done."""
    holder = flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of TFDS's prepared datasets, which must exist; by default TFDS's own.",
    )
    flags.register_validator(holder, _is_data_dir)
    return holder


def _is_data_dir(folder: str | None) -> bool:
    if folder is not None:
        folder_flags.check_text(folder)
    # Without TensorFlow, which `dvn_tf.data` checks the same with; TFDS reads object stores too.
    if folder is None or "://" in folder or os.path.isdir(os.path.expanduser(folder)):
        return True
    raise flags.ValidationError(
        "there is no such folder: make it if datasets are to be downloaded into it, or leave the "
        "flag out to use TFDS's own"
    )


def gin_settings() -> tuple[list[str], list[str], list[str]]:
    """The values of --gin_file, --gin_param and --gin_import.

    Raises:
        UserError: if a file is missing or malformed, or sets or imports what it may not.
    """
    files, params = list(flags.FLAGS.gin_file), list(flags.FLAGS.gin_param)
    gin_check.check(files, params, gin_imports())
    return files, params, gin_imports()


def gin_imports() -> list[str]:
    """The value of --gin_import.

    Raises:
        UserError: if it is no name of a module.
    """
    imports = list(flags.FLAGS.gin_import)
    gin_check.gin_files.check_module_names(imports)
    return imports


def limit_cores(most: int) -> None:
    """Lets this process use a part of the cores only, where the system can do that.

    TensorFlow, NumPy and the runtimes of exports each start pools of a thread for every core that
    the process may use, so call this before they are imported.

    Args:
        most: the greatest number of cores.
    """
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:most])


def run(main: Callable[[list[str]], None], interrupted: Callable[[], str] | None = None) -> None:
    """Runs a program's main function under absl.

    A `UserError` is printed as one line without a traceback, and the exit status is 1. Any other
    exception is printed as one line too; see `endings` for its status, for Ctrl-C and SIGTERM.

    Args:
        main: the function, which takes the arguments that are not flags. It imports `dvn_tf`
            itself, in a `with programs.starting()` block, after it has checked what can be
            checked without it.
        interrupted: gives a sentence about what Ctrl-C leaves behind; None says that nothing was
            written.
    """
    endings.install()
    show_logs = flags.DEFINE_bool(
        "framework_logs",
        False,
        "Show what TensorFlow and its tools log about themselves. Warnings always appear.",
    )
    debug = flags.DEFINE_bool("debug", False, "Show the traceback of an unexpected error.")

    def work(argv):
        if not show_logs.value and not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TFDS logs each file that it opens
        if len(argv) > 1:
            raise UserError(f"unexpected argument {argv[1]!r}: see --help for the flags")
        if not show_logs.value:
            with starting():
                framework_logs.hide()
        main(argv)

    def ended(argv):
        return endings.run(lambda: work(argv), interrupted or _nothing_written, debug.value)

    app.run(ended, flags_parser=_parse_flags)


def _nothing_written() -> str:
    return "nothing was written"


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        missing = re.findall(r"Flag (--\w+) must have a value other than None", str(error))
        message = f"{' and '.join(missing)} must be given" if missing else error
        message = "; ".join(str(message).splitlines())  # of several flags
        sys.exit(endings.fail(f"{message} (--help lists the flags)"))
    except SystemExit:  # absl ends --help with 1, as if it were an error
        sys.exit(0)
    except Exception as error:
        sys.exit(endings.unexpected(error))
