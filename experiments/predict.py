"""Classifies image files with the best network that fits a memory budget.

    python -m experiments.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

is `python -m dvn_runtime.predict`, the device's program, under the name that it had first.
"""

import sys

from dvn_runtime.predict import main
from experiments import endings, framework_logs


def _interrupted() -> str:
    return "images that are not in the list above were not classified"


if __name__ == "__main__":
    endings.install()
    framework_logs.hide()
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    sys.exit(endings.run(lambda: main(arguments), _interrupted, debug))
