"""The optimizer of a recipe: SGD with momentum, and how its rate changes over the steps."""

import keras
from keras import ops
from keras.optimizers import schedules

from dvn_tf.training.recipe import Recipe


@keras.saving.register_keras_serializable("dvn_tf")
class MomentumSGD(keras.optimizers.SGD):
    """SGD whose velocity is a sum of gradients, free of the rate.

        v <- momentum * v + g
        w <- w - rate * (g + momentum * v)    with Nesterov's momentum
        w <- w - rate * v                     without

    Torch does this, and so does the momentum optimizer of TensorFlow 1, in which the paper was
    implemented. Keras's `SGD` sums rate * g instead. Both are the same while the rate is constant,
    but where it drops, Keras's velocity still carries the old rate for a while.

    Arguments are those of `keras.optimizers.SGD`.
    """

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: float
    ) -> None:
        """Moves a variable and its velocity by one step; Keras calls it in `apply`."""
        rate = ops.cast(learning_rate, variable.dtype)
        step = gradient = ops.cast(gradient, variable.dtype)
        if self.momentum:
            momentum = ops.cast(self.momentum, variable.dtype)
            velocity = self.momentums[self._get_variable_index(variable)]
            self.assign(velocity, momentum * velocity + gradient)
            step = gradient + momentum * velocity if self.nesterov else velocity
        self.assign_sub(variable, rate * step)


@keras.saving.register_keras_serializable("dvn_tf")
class LinearWarmup(schedules.LearningRateSchedule):
    """Another schedule, whose rates first rise linearly from 0.

    Args:
        schedule: the other schedule, or a constant rate.
        warmup_steps: the number of steps in which the rate rises.
    """

    def __init__(self, schedule: schedules.LearningRateSchedule | float, warmup_steps: int):
        super().__init__()
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        return rate * ops.minimum(ops.cast(step, "float32") / self.warmup_steps, 1.0)

    def get_config(self) -> dict:
        schedule = self.schedule
        if isinstance(schedule, schedules.LearningRateSchedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config: dict) -> "LinearWarmup":
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["warmup_steps"])


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """SGD with Nesterov momentum and the recipe's schedule, a function of the step alone."""
    momentum = float(recipe.momentum)
    return MomentumSGD(_rate(recipe, steps_per_epoch), momentum=momentum, nesterov=momentum > 0)


def _rate(recipe: Recipe, steps_per_epoch: int):
    steps = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if recipe.schedule == "cosine":
        return schedules.CosineDecay(
            0.0 if warmup else recipe.learning_rate,
            max(1, steps - warmup),
            warmup_target=recipe.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    rate = recipe.learning_rate
    if recipe.schedule == "step":
        # Keras keeps a rate up to and including the boundary's step; steps count from 0.
        boundaries = [round(milestone * steps) - 1 for milestone in recipe.milestones]
        rates = [rate * recipe.decay_factor**n for n in range(len(boundaries) + 1)]
        rate = schedules.PiecewiseConstantDecay(boundaries, rates)
    return LinearWarmup(rate, warmup) if warmup else rate
