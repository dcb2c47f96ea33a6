"""Inference under a memory budget that may change at any time, for the device.

    from dvn_runtime import BudgetedPredictor

    predictor = BudgetedPredictor("export", resident="8MB")
    probabilities = predictor.predict("cifar10", images)
    predictor.set_budget(resident="6MB")  # at any time, from any thread

It runs exported LiteRT files. It needs NumPy, Pillow and `ai-edge-litert`, but neither
TensorFlow nor Keras. `python -m dvn_runtime.predict` classifies image files, and
`python -m dvn_runtime.benchmark` measures an export on the device.
"""

import importlib

__version__ = "0.7.0"  # as in `dvn_tf`

# As in `typing`, which takes so long to import that Ctrl-C would meet a program without a handler.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from dvn_runtime.images import read_image
    from dvn_runtime.levels import LevelPredictor
    from dvn_runtime.plan import Plan
    from dvn_runtime.planner import Option, choose_levels
    from dvn_runtime.predictor import BudgetedPredictor

__all__ = ["BudgetedPredictor", "LevelPredictor", "Option", "Plan", "choose_levels", "read_image"]

# Imported on first use: programs answer Ctrl-C while NumPy and Pillow are being imported.
_MODULES = {
    "BudgetedPredictor": "predictor",
    "LevelPredictor": "levels",
    "Option": "planner",
    "Plan": "plan",
    "choose_levels": "planner",
    "read_image": "images",
}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
