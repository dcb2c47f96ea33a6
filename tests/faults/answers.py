"""A program that prints what the networks of an export folder answer, as JSON.

    python -m tests.faults.answers --export_dir=EXPORT --images=IMAGES.npy

It ends as the project's programs do: with status 1 and one line if the export is refused.
"""

import argparse
import json
import sys
import warnings

import numpy as np

from dvn_runtime.errors import UserError
from dvn_runtime.predictor import BudgetedPredictor


def main() -> int:
    """Runs the program and returns its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--export_dir", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--budget")
    parser.add_argument("--key")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # each refused file is one
    images = np.load(args.images)
    try:
        signed = {"key": args.key} if args.key else {}
        with BudgetedPredictor(args.export_dir, args.budget, **signed) as predictor:
            answers = {
                task: {
                    "level": network.level,
                    "classes": list(predictor.classes(task)),
                    "probabilities": predictor.predict(task, images).tolist(),
                }
                for task, network in predictor.plan().networks.items()
            }
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
