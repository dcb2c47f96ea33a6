"""Classifies image files with the best network that fits a memory budget.

    python -m experiments.predict --export_dir=EXPORT --task=cifar10 --budget=2MB IMAGE...

is `python -m dvn_runtime.predict`, the device's program, under the name that it had first.
"""

import sys

from dvn_runtime.predict import main
from experiments import framework_logs

if __name__ == "__main__":
    framework_logs.hide()
    sys.exit(main())
