"""Classifies image files on a device with the best network that fits a memory budget.

    python -m dvn_runtime.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

prints the three most probable classes of each image.
"""

import argparse
import sys
import warnings

from dvn_runtime.errors import UserError
from dvn_runtime.images import read_image
from dvn_runtime.manifest import SUPPORTED_FORMATS
from dvn_runtime.predictor import BudgetedPredictor

_TOP = 3  # classes printed for an image


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: its arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 1 if anything failed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dvn_runtime.predict", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--export_dir", required=True, help="Export folder with manifest.json.")
    parser.add_argument("--task", required=True, help="Task whose classes the images belong to.")
    parser.add_argument("--budget", help="Memory, such as 8MB or '1.5M params'. Default: no limit.")
    parser.add_argument(
        "--format", default="litert", help=f"{' or '.join(SUPPORTED_FORMATS)}. Default: litert."
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG or other image file.")
    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_, **__: _report("warning", message)
    try:
        predictor = BudgetedPredictor(
            args.export_dir, args.budget, format=args.format, tasks=[args.task]
        )
    except UserError as error:
        return _report("error", error)
    status = 0
    with predictor:
        print(predictor.plan(), file=sys.stderr)
        for path in args.images:
            try:
                print(f"{path}: {_top_classes(predictor, args.task, path)}")
            except UserError as error:  # the other images may be fine
                status = _report("error", error)
    return status


def _top_classes(predictor: BudgetedPredictor, task: str, path: str) -> str:
    probabilities = predictor.predict(task, read_image(path, predictor.task(task)))[0]
    classes = predictor.classes(task)
    order = (-probabilities).argsort(kind="stable")[:_TOP]
    return ", ".join(f"{classes[label]} {probabilities[label]:.1%}" for label in order)


def _report(kind: str, message) -> int:
    print(f"{kind}: {' '.join(str(message).split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
