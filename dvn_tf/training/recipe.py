"""A recipe: how a network is trained. Plain values, filled by gin files or by hand."""

import dataclasses
from collections.abc import Sequence

from dvn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum (section 4.2) and what goes with it.

    Args:
        epochs: number of epochs; an epoch is the longest task's.
        batch_size: images of each task in a step.
        learning_rate: the initial rate.
        schedule: "step" (multiply by `decay_factor` at each milestone), "cosine" or "constant".
        milestones: for "step", where the rate drops, as fractions of all steps.
        decay_factor: for "step".
        warmup_epochs: number of epochs in which the rate first rises linearly from 0. The
            milestones of "step" stay where they are; a cosine begins after the warm-up.
        momentum: of Nesterov's method.
        weight_decay: SGD's decay d as Torch counts it, d/2 * sum(w^2) in the loss; kernels only.
        dtype: Keras dtype policy; "mixed_float16" or "mixed_bfloat16" for mixed precision. With
            float16, the loss is scaled dynamically.
        seed: of the initial weights, the order of images and their augmentation.
        evaluate_every: epochs between evaluations on the test images; the last is always one.
        deterministic: whether the same command gives the same weights, bit for bit, on CPUs.
        jit_compile: whether to compile the step with XLA, which can pay on GPUs. Under JAX, the
            step is always compiled.

    Raises:
        UserError: if a value makes no sense.
    """

    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    schedule: str = "step"
    milestones: Sequence[float] = (0.3, 0.6, 0.8)
    decay_factor: float = 0.2
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    dtype: str = "float32"
    seed: int = 0
    evaluate_every: int = 1
    deterministic: bool = True
    jit_compile: bool = False

    def __post_init__(self):
        for name in ("epochs", "batch_size", "evaluate_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise UserError(f"Recipe.{name} must be a whole number of at least 1, not {value}")
        for name in ("learning_rate", "momentum", "weight_decay", "warmup_epochs", "decay_factor"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value >= 0:
                raise UserError(f"Recipe.{name} must be a number of at least 0, not {value}")
        if self.schedule not in ("step", "cosine", "constant"):
            raise UserError(
                f"there is no schedule {self.schedule!r}: use 'step', 'cosine' or 'constant'"
            )
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise UserError(
                f"Recipe.warmup_epochs must be fewer than the {self.epochs} epochs, not "
                f"{self.warmup_epochs}"
            )
        if list(self.milestones) != sorted(self.milestones) or not all(
            0 < milestone < 1 for milestone in self.milestones
        ):
            raise UserError(
                f"Recipe.milestones must increase between 0 and 1, not {self.milestones}: "
                "they are fractions of the whole training"
            )
        policies = ("float32", "mixed_float16", "mixed_bfloat16")
        if self.dtype not in policies:
            raise UserError(f"there is no dtype {self.dtype!r} to train in: use one of {policies}")


def evaluated_epochs(epochs: int, evaluate_every: int) -> list[int]:
    """The epochs, counted from 1, after which the test images are evaluated; the last is one."""
    return sorted({*range(evaluate_every, epochs + 1, evaluate_every), epochs})
