"""Classifies image files on a device, with the best network that a budget can hold.

    python -m experiments.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

prints the three likeliest classes of each image. On a device it needs `dvn_runtime` alone, so its
flags are argparse's: absl would be one more thing to install there.
"""

import argparse
import sys
import warnings

from dvn_runtime import BudgetedPredictor, read_image
from dvn_runtime.errors import UserError
from experiments import framework_logs

_TOP = 3  # classes a line


def main(argv: list[str] | None = None) -> int:
    """Runs the program; returns 1 if an image or all of it failed, else 0."""
    parser = argparse.ArgumentParser(prog="predict", description=__doc__.partition("\n")[0])
    parser.add_argument("--export_dir", required=True, help="Folder with manifest.json.")
    parser.add_argument("--task", required=True, help="The task whose classes to tell apart.")
    parser.add_argument("--budget", help="Such as 8MB or '1.5M params'; by default no limit.")
    parser.add_argument(
        "--format", default="litert", help="The files to run: litert or litert_int8."
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG or JPEG files.")
    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_, **__: _complain("warning", message)
    try:
        predictor = BudgetedPredictor(
            args.export_dir, args.budget, format=args.format, tasks=[args.task]
        )
    except UserError as error:
        return _complain("error", error)
    status = 0
    with predictor:
        print(predictor.plan(), file=sys.stderr)
        for path in args.images:
            try:
                print(f"{path}: {_likeliest(predictor, args.task, path)}")
            except UserError as error:  # the other images may be fine
                status = _complain("error", error)
    return status


def _likeliest(predictor: BudgetedPredictor, task: str, path: str) -> str:
    probabilities = predictor.predict(task, read_image(path, predictor.task(task)))[0]
    classes = predictor.classes(task)
    order = (-probabilities).argsort(kind="stable")[:_TOP]
    return ", ".join(f"{classes[label]} {probabilities[label]:.1%}" for label in order)


def _complain(kind: str, message) -> int:
    print(f"{kind}: {' '.join(str(message).split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    framework_logs.hide()
    sys.exit(main())
