"""`dvn_runtime` under the name that it had first: inference under a memory budget."""

from dvn_runtime import BudgetedPredictor, Option, Plan, choose_levels, read_image

__all__ = ["BudgetedPredictor", "Option", "Plan", "choose_levels", "read_image"]
