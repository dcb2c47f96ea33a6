"""A recipe: how a network is trained. Plain values, filled by gin files or by hand."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from dvn_tf.errors import UserError, shown
from dvn_tf.settings import Between, Length, OneOf, check_settings

_Share = Annotated[float, Between(0, 1, without_low=True, without_high=True)]


def _execution(default):
    """A field that says how a step is computed, not what it learns."""
    return dataclasses.field(default=default, compare=False)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum (section 4.2) and what goes with it.

    A run that was begun with one way to compute a step can be continued with another: such fields
    make no difference when recipes are compared.

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
        jit_compile: whether TensorFlow compiles the step with XLA; None compiles it on GPUs alone,
            since it is slower with it on CPUs. JAX always compiles the step.
        images_on_device: whether the images lie on the accelerator, where they are cropped and
            mirrored, instead of in the host's memory. They must fit there. For JAX alone.
        merge_streams: whether virtual networks with the same units go through one convolution in
            one batch, see docs/guide/accelerators.md.

    Raises:
        UserError: if a value makes no sense.
    """

    epochs: Annotated[int, Between(1, 100_000)] = 200
    batch_size: Annotated[int, Between(1, 65_536)] = 128
    learning_rate: Annotated[float, Between(0, 1e38)] = 0.1
    schedule: Annotated[str, OneOf("step", "cosine", "constant")] = "step"
    milestones: Annotated[Sequence[_Share], Length(0, 1_000)] = (0.3, 0.6, 0.8)
    decay_factor: Annotated[float, Between(0, 1_000)] = 0.2
    warmup_epochs: Annotated[float, Between(0, 100_000)] = 0.0
    momentum: Annotated[float, Between(0, 1, without_high=True)] = 0.9
    weight_decay: Annotated[float, Between(0, 1_000)] = 5e-4
    dtype: Annotated[str, OneOf("float32", "mixed_float16", "mixed_bfloat16")] = "float32"
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0  # what NumPy and Keras take
    evaluate_every: Annotated[int, Between(1, 100_000)] = 1
    deterministic: bool = True
    jit_compile: bool | None = _execution(None)
    images_on_device: bool = _execution(False)
    merge_streams: bool = _execution(False)

    def __post_init__(self):
        check_settings(self)
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise UserError(
                f"Recipe.warmup_epochs must be fewer than the {self.epochs} epochs, not "
                f"{self.warmup_epochs}"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise UserError(
                f"Recipe.milestones must increase, not {shown(self.milestones)}: they are "
                "fractions of the whole training"
            )


def evaluated_epochs(epochs: int, evaluate_every: int) -> list[int]:
    """The epochs, counted from 1, after which the test images are evaluated; the last is one."""
    return sorted({*range(evaluate_every, epochs + 1, evaluate_every), epochs})
