"""Classifies image files on a device with the best network that fits a memory budget.

    python -m dvn_runtime.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

prints the three most probable classes of each image.
"""

import argparse
import os
import sys
import traceback
import warnings

# What takes time to import is imported in `main`, so that Ctrl-C is answered meanwhile.
from dvn_runtime.errors import LINE_LIMIT, UserError, one_line, printable, was_interrupted

_TOP = 3  # classes printed for an image
_UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
_READER_GONE = 141


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: its arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 1 if anything failed.
    """
    from dvn_runtime.manifest import SUPPORTED_FORMATS

    parser = argparse.ArgumentParser(
        prog="python -m dvn_runtime.predict", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--export_dir", required=True, help="Export folder with manifest.json.")
    parser.add_argument("--task", required=True, help="Task whose classes the images belong to.")
    parser.add_argument("--budget", help="Memory, such as 8MB or '1.5M params'. Default: no limit.")
    parser.add_argument(
        "--format", default="litert", help=f"{' or '.join(SUPPORTED_FORMATS)}. Default: litert."
    )
    parser.add_argument(
        "--key", help="PEM file of the public key that must have signed the export. Default: none."
    )
    parser.add_argument(
        "--debug", action="store_true", help="Show the traceback of an unexpected error."
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG or other image file.")
    args = parser.parse_args(argv)
    from dvn_runtime.predictor import BudgetedPredictor

    warnings.filterwarnings("ignore", module=r"PIL\.")  # of damage that Pillow mends
    warnings.showwarning = lambda message, *_, **__: _report("warning", message)
    try:
        predictor = BudgetedPredictor(
            args.export_dir, args.budget, format=args.format, tasks=[args.task], key=args.key
        )
    except UserError as error:
        return _report("error", error)
    status = 0
    with predictor:
        print(predictor.plan(), file=sys.stderr)
        for path in args.images:
            try:
                print(printable(f"{path}: {_top_classes(predictor, args.task, path)}"))
            except UserError as error:  # the other images may be fine
                status = _report("error", error)
    return status


def run(argv: list[str]) -> int:
    """Runs the program, and ends it with one line whatever happens.

    Args:
        argv: its arguments.

    Returns:
        The exit status: that of `main`, 70 for an error that nobody foresaw, 130 for Ctrl-C, or
        141 if nobody reads the output any more.
    """
    try:
        status = main(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Python would complain at its end about output that it cannot write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in argv:
            traceback.print_exc()
        if was_interrupted(error):
            _report("interrupted", "images that are not listed above were not classified")
            return _INTERRUPTED
        name = f"{type(error).__name__}: {error}"
        _report("error", f"unexpected {name} (--debug shows the traceback; please report it)")
        return _UNEXPECTED


def _top_classes(predictor, task: str, path: str) -> str:
    from dvn_runtime.images import read_image

    probabilities = predictor.predict(task, read_image(path, predictor.task(task)))[0]
    classes = predictor.classes(task)
    order = (-probabilities).argsort(kind="stable")[:_TOP]
    return ", ".join(f"{classes[label]} {probabilities[label]:.1%}" for label in order)


def _report(kind: str, message) -> int:
    print(one_line(f"{kind}: {message}", LINE_LIMIT), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
