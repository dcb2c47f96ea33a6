"""Inference on a device whose memory is short and varies.

    from dvn_runtime import BudgetedPredictor

    predictor = BudgetedPredictor("export", budget="8MB")
    probabilities = predictor.predict("cifar10", images)
    predictor.set_budget("4MB")  # at any time, from any thread

Runs exported LiteRT files and needs NumPy, Pillow and `ai-edge-litert`, but neither TensorFlow
nor Keras.
"""

from dvn_runtime.images import read_image
from dvn_runtime.plan import Plan
from dvn_runtime.planner import Option, choose_levels
from dvn_runtime.predictor import BudgetedPredictor

__all__ = ["BudgetedPredictor", "Option", "Plan", "choose_levels", "read_image"]
