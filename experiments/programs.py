"""What every program of `experiments/` shares: flags for gin, and errors in one line."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from dvn_tf.errors import UserError


def define_gin_flags() -> None:
    """Defines --gin_file and --gin_param, both repeatable."""
    flags.DEFINE_multi_string(
        "gin_file", [], "Settings to read, such as gin/quickstart.gin; later files go over earlier."
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "A single setting over those of the files, such as 'Recipe.epochs = 10'."
    )


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a program's main function under absl.

    A `UserError` is printed as one line, and the exit status is 1; there is no traceback.
    """

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TFDS tells each file it opens
        try:
            if len(argv) > 1:
                raise UserError(f"unexpected argument {argv[1]!r}: see --help for the flags")
            main(argv)
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted: the same command goes on from the last epoch", file=sys.stderr)
            return 130
        return 0

    app.run(guarded)
