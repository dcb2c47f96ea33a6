"""The variants of the DVN: accuracy by level, differences, and cost beside the plain DVN's."""

import math

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import AVERAGE, SEPARATE, Comparison
from dvn_tf.comparison.costs import BYTES_PER_PARAMETER
from dvn_tf.comparison.statistics import CONFIDENCE, MIN_SEEDS, Estimate, paired_test

_REFERENCES = {"dvn": "the DVN", SEPARATE: "separate networks"}


def section(comparison: Comparison) -> list[str]:
    """The report's section of variants, as lines of Markdown."""
    lines = [
        "Accuracy by level is the average over the tasks, in per cent. Differences are of the "
        "average over all outputs, in points, seed by seed where both have the seed.",
        "",
        *markdown.table(*variant_table(comparison)),
    ]
    if text := _note(comparison):
        lines += ["", text]
    return lines


def variant_table(comparison: Comparison) -> markdown.Table:
    """A row for separate networks, for the plain DVN and for each variant."""
    methods = [SEPARATE] if comparison.has_separate else []
    methods += ["dvn"] if comparison.has_dvn else []
    methods += comparison.variants
    levels = range(1, max(comparison.methods.loc[methods, "levels"]) + 1)
    head = ["Method", *(_level_head(comparison, methods, level) for level in levels)]
    references = [name for name in _REFERENCES if name in methods]
    head += [f"against {_REFERENCES[name]}" for name in references]
    head += ["training time", "training multiply-adds", "storage", "seeds"]
    rows = []
    for method in methods:
        own = comparison.methods.loc[method]
        accuracies = [
            markdown.with_interval(comparison.accuracy(method, level, AVERAGE))
            if level <= own["levels"]
            else "—"
            for level in levels
        ]
        differences = [_cell(comparison, method, name) for name in references]
        costs = [_ratio(comparison, method, name) for name in ("seconds", "training_multiply_adds")]
        storage = markdown.megabytes(BYTES_PER_PARAMETER * own["run_parameters"])
        seeds = markdown.seed_list(own["seeds"])
        rows.append([own["title"], *accuracies, *differences, *costs, storage, seeds])
    return head, rows


def difference(comparison: Comparison, method: str, reference: str) -> Estimate | None:
    """The difference of two methods in the average over all outputs, in points.

    Args:
        comparison: the runs.
        method: a variant's key.
        reference: the key of the method to compare it to.

    Returns:
        Its mean, and an interval that is corrected for the number of variants; None without a
        seed in common, or if the methods have other outputs.
    """
    tables = [comparison.exact_outputs.loc[name].dropna(axis=1) for name in (method, reference)]
    ours, theirs = tables
    seeds = [seed for seed in ours.index if seed in theirs.index]
    if not seeds or list(ours.columns) != list(theirs.columns):
        return None
    means = [[sum(row) / len(row) for row in table.loc[seeds].to_numpy()] for table in tables]
    return paired_test(*means, tests=len(comparison.variants)).difference


def _cell(comparison: Comparison, method: str, reference: str) -> str:
    if method not in comparison.variants:
        return "—"
    found = difference(comparison, method, reference)
    return "—" if found is None else markdown.with_interval(found, "+")


def _ratio(comparison: Comparison, method: str, column: str) -> str:
    """What a method costs beside the plain DVN."""
    if not comparison.has_dvn:
        return "—"
    own, plain = comparison.methods.loc[[method, "dvn"], column]
    return f"{own / plain:.2f} x" if plain and math.isfinite(own / plain) else "—"


def _level_head(comparison: Comparison, methods: list[str], level: int) -> str:
    """ "level 1 (25 %)", or without the size where methods have different ones."""
    having = [name for name in methods if level <= comparison.methods.at[name, "levels"]]
    sizes = {comparison.size(name, level) for name in having}
    return f"level {level}" + (f" ({sizes.pop()})" if len(sizes) == 1 else "")


def _note(comparison: Comparison) -> str:
    texts = []
    number = len(comparison.variants)
    if (comparison.methods.loc[comparison.variants, "seeds"].map(len) >= MIN_SEEDS).any():
        confidence = f"{100 * (1 - (1 - CONFIDENCE) / number):.4g} %"
        each = f" each, so that all {number} of a column hold together" if number > 1 else ""
        texts.append(
            f"Intervals of differences are Student's, two-sided at {confidence}{each}; those of "
            "accuracies are at 95 %."
        )
    if comparison.has_separate:
        texts.append("The verdicts against separate networks stand in the section above.")
    if comparison.has_dvn:
        texts.append("Training time and multiply-adds are multiples of the plain DVN's.")
    return " ".join(texts)
