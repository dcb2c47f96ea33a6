"""Seeds and images resampled together, against SciPy, brute force and the variance's formula."""

import numpy as np
import pytest
from scipy import stats

from dvn_tf.comparison import resampling


def made_up(seeds, outputs, images, seed=0):
    """Differences of two methods in correctness: -1, 0 and 1."""
    drawn = np.random.default_rng(seed)
    values = drawn.choice([-1, 0, 1], (seeds, outputs, images), p=[0.15, 0.75, 0.1])
    return values.astype(np.int8)


def test_without_differences_between_images_it_is_scipys_bootstrap_of_seeds():
    by_seed = np.array([-0.41, -0.78, -1.17, 0.2, -0.5])
    values = np.repeat(by_seed[:, None, None], 7, axis=2)
    [[found]] = resampling.resampled_differences([[values]])
    theirs = stats.bootstrap(
        (by_seed,), np.mean, n_resamples=10_000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    assert resampling.interval(found, 0.05) == pytest.approx(tuple(theirs), abs=0.03)
    assert found.std() == pytest.approx(by_seed.std() / np.sqrt(5), rel=0.03)


def test_of_one_seed_it_is_the_binomial_distribution():
    images, right = 900, 630
    values = (np.arange(images) < right).astype(np.int8)[None, None]
    [[found]] = resampling.resampled_differences([[values]])
    expected = stats.binom(images, right / images)
    assert found.std() == pytest.approx(expected.std() / images, rel=0.03)
    ends = expected.ppf(0.05) / images, expected.ppf(0.95) / images
    assert resampling.interval(found, 0.05) == pytest.approx(ends, abs=1.5 / images)


def test_the_variance_is_the_formula_s():
    """Of resampled rows and columns: Owen (2007), by the components of a two-way layout."""
    values = made_up(5, 1, 60)
    [[found]] = resampling.resampled_differences([[values]])
    table = values[:, 0].astype(float)
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns + table.mean()
    expected = rows.var() / 5 + columns.var() / 60 + rest.var() / (5 * 60)
    assert found.var() == pytest.approx(expected, rel=0.04)


def test_it_is_what_loops_give():
    """Several tasks and outputs: the same images for every seed and output of a task."""
    tasks = [made_up(4, 2, 30), made_up(4, 3, 50, seed=1)]
    [found] = resampling.resampled_differences([tasks])
    drawn = np.random.default_rng(9)
    looped = []
    for _ in range(4_000):
        seeds = drawn.integers(4, size=4)
        means = []
        for values in tasks:
            images = drawn.integers(values.shape[2], size=values.shape[2])
            means.extend(values[seeds][:, :, images].mean(axis=(0, 2)))
        looped.append(means)
    looped = np.array(looped).T
    assert found.shape == (5, 10_000)
    np.testing.assert_allclose(found.mean(axis=1), looped.mean(axis=1), atol=0.01)
    np.testing.assert_allclose(np.cov(found), np.cov(looped), atol=8e-4)
    for ours, theirs in ((found, looped), (found.mean(axis=0), looped.mean(axis=0))):
        np.testing.assert_allclose(
            np.quantile(ours, (0.05, 0.95), axis=-1),
            np.quantile(theirs, (0.05, 0.95), axis=-1),
            atol=0.015,
        )


def test_comparisons_share_their_images_and_the_draw_is_fixed():
    first, second = [made_up(3, 2, 40)], [made_up(5, 2, 40, seed=2)]
    together = resampling.resampled_differences([first, second, first])
    again = resampling.resampled_differences([first, second, first])
    for one, other in zip(together, again, strict=True):
        np.testing.assert_array_equal(one, other)
    # The same seeds in every resample leave the images alone, which are the same for both.
    same = [np.repeat(values[:1], 3, axis=0) for values in first]
    one, other = resampling.resampled_differences([same, same])
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_number_of_resamples_that_chunks_do_not_divide():
    [found] = resampling.resampled_differences([[made_up(3, 2, 40)]], 333)
    assert found.shape == (2, 333)
    assert np.isfinite(found).all() and found.std() > 0
