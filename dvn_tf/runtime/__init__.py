"""`dvn_runtime`, inference under a memory budget, under the name that it had first."""

from dvn_runtime import BudgetedPredictor, Option, Plan, choose_levels, read_image

__all__ = ["BudgetedPredictor", "Option", "Plan", "choose_levels", "read_image"]
