"""Inference under a memory budget that may change at any time, for the device.

    from dvn_runtime import BudgetedPredictor

    predictor = BudgetedPredictor("export", budget="8MB")
    probabilities = predictor.predict("cifar10", images)
    predictor.set_budget("4MB")  # at any time, from any thread

It runs exported LiteRT files. It needs NumPy, Pillow and `ai-edge-litert`, but neither
TensorFlow nor Keras. `python -m dvn_runtime.predict` classifies image files.
"""

from dvn_runtime.images import read_image
from dvn_runtime.plan import Plan
from dvn_runtime.planner import Option, choose_levels
from dvn_runtime.predictor import BudgetedPredictor

__all__ = ["BudgetedPredictor", "Option", "Plan", "choose_levels", "read_image"]
