"""What training cost, in multiply-adds."""

from dvn_tf.comparison.result_files import first_levels, levels_of
from dvn_tf.training.schema import PASSES


def training_multiply_adds(results: dict) -> int | None:
    """The multiply-adds of a run's training: its own count, or else one computed from its sizes.

    Computed, each training image of each epoch takes `PASSES` forward passes of every output that
    the stage learns from it (Eq. 4). What distilling old tasks takes is left out, and what frozen
    layers save.

    Args:
        results: what a results.json holds.

    Returns:
        The number, None if the file does not have the sizes.
    """
    if (own := results.get("training_multiply_adds")) is not None:
        return own
    total = 0
    for stage, first in zip(results["stages"], first_levels(results), strict=True):
        for task in stage["learned"]:
            outputs = levels_of(results["outputs"], task)
            for level in levels_of(stage["outputs"], task):
                adds = outputs.get(first + level - 1, {}).get("multiply_adds")
                if adds is None:
                    return None
                images = results["tasks"][task]["train_images"]
                total += PASSES * adds * images * stage["epochs"]
    return total or None
