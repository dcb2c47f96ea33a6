"""Seeds and test images resampled together: how far a difference is from chance in both.

Student's interval over seeds takes the test images as they are. Here both are drawn anew with
replacement (Owen's pigeonhole bootstrap), the same images for every seed, output and method, since
all of them classify the same ones. `scipy.stats.bootstrap` resamples along one axis only.
"""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
_GENERATOR_SEED = 0  # so that the same runs give the same report
_AT_ONCE = 200  # resamples of the images: 10,000 images then take 16 MB of counts


def resampled_differences(
    comparisons: Sequence[Sequence[np.ndarray]], resamples: int = RESAMPLES
) -> list[np.ndarray]:
    """The mean differences of outputs in resamples of seeds and images.

    Args:
        comparisons: for each comparison of two methods, an array for each task, of shape (seeds,
            outputs of the task, test images): how much better one does than the other on each
            image. All comparisons have the same images.
        resamples: how many.

    Returns:
        For each comparison, an array of shape (outputs of all tasks, resamples), in the order of
        the tasks and their outputs.
    """
    generator = np.random.default_rng(_GENERATOR_SEED)
    weights = []
    for tasks in comparisons:
        seeds = len(tasks[0])
        drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
        weights.append(drawn / seeds)
    found = [[] for _ in comparisons]
    for one_task in zip(*comparisons, strict=True):
        rows = np.concatenate([values.reshape(-1, values.shape[-1]) for values in one_task])
        means = _over_images(rows, resamples, generator)
        ends = np.cumsum([np.prod(values.shape[:2]) for values in one_task])[:-1]
        for place, part in enumerate(np.split(means, ends, axis=1)):
            by_seed = part.reshape(resamples, *one_task[place].shape[:2])
            found[place].append(np.einsum("rs,rso->or", weights[place], by_seed))
    return [np.concatenate(outputs) for outputs in found]


def interval(values: np.ndarray, alpha: float) -> tuple[float, float]:
    """The interval of a statistic in resamples, by percentiles.

    Args:
        values: the statistic of each resample.
        alpha: the share of the resamples beyond either end.
    """
    low, high = np.quantile(values, (alpha, 1 - alpha))
    return float(low), float(high)


def _over_images(rows: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """The means of rows over resampled images, of shape (resamples, rows)."""
    images = rows.shape[1]
    # Sums of -1, 0 and 1 are exact in single precision, in any order.
    exact = rows.dtype.kind in "bi" and images < 2**23
    values = np.ascontiguousarray(rows.T.astype(np.float32 if exact else np.float64))
    means = np.empty((resamples, len(rows)))
    for start in range(0, resamples, _AT_ONCE):
        drawn = generator.integers(images, size=(min(_AT_ONCE, resamples - start), images))
        counts = np.array([np.bincount(row, minlength=images) for row in drawn], values.dtype)
        means[start : start + len(drawn)] = counts @ values / images
    return means
