"""Classifies image files on a device with the best network that fits a memory budget.

    python -m dvn_runtime.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

prints the three most probable classes of each image.
"""

import sys
import warnings

# What takes time to import is imported in `main`, so that Ctrl-C is answered meanwhile.
from dvn_runtime import program
from dvn_runtime.errors import UserError, printable
from dvn_runtime.program import report

_TOP = 3  # classes printed for an image


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: its arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 1 if anything failed.
    """
    from dvn_runtime.manifest import SUPPORTED_FORMATS

    parser = program.Parser(
        prog="python -m dvn_runtime.predict", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--export_dir", required=True, help="Export folder with manifest.json.")
    parser.add_argument("--task", required=True, help="Task whose classes the images belong to.")
    parser.add_argument(
        "--budget", help="Bytes of files, such as 8MB, or '1.5M params'. Default: no limit."
    )
    parser.add_argument(
        "--resident", help="Resident memory that the networks may add, such as 8MB, instead."
    )
    parser.add_argument(
        "--board",
        help="What dvn_runtime.benchmark --json wrote on this board, for --resident. Default: "
        "what was measured elsewhere.",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads. Default: 1.")
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
    warnings.showwarning = lambda message, *_, **__: report("warning", message)
    try:
        predictor = BudgetedPredictor(
            args.export_dir,
            args.budget,
            format=args.format,
            tasks=[args.task],
            num_threads=args.threads,
            key=args.key,
            resident=args.resident,
            board=args.board,
        )
    except UserError as error:
        return report("error", error)
    status = 0
    with predictor:
        print(predictor.plan(), file=sys.stderr)
        for path in args.images:
            try:
                print(printable(f"{path}: {_top_classes(predictor, args.task, path)}"))
            except UserError as error:  # the other images may be fine
                status = report("error", error)
    return status


def run(argv: list[str]) -> int:
    """Runs the program, and ends it with one line whatever happens; see `program.run`."""
    return program.run(main, argv, "images that are not listed above were not classified")


def _top_classes(predictor, task: str, path: str) -> str:
    from dvn_runtime.images import read_image

    probabilities = predictor.predict(task, read_image(path, predictor.task(task)))[0]
    classes = predictor.classes(task)
    order = (-probabilities).argsort(kind="stable")[:_TOP]
    return ", ".join(f"{classes[label]} {probabilities[label]:.1%}" for label in order)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
