"""The settings that the runs were trained with, and how they differ from the paper's."""

import pandas as pd

from dvn_tf.comparison import markdown, provenance
from dvn_tf.comparison.comparison import Comparison
from dvn_tf.comparison.runs import runs_without_history
from dvn_tf.comparison.statistics import MIN_SEEDS


def section(comparison: Comparison) -> list[str]:
    """The report's section of settings, as lines of Markdown."""
    settings, methods = comparison.settings, comparison.methods
    same = ", the same for every method" if len(methods) > 1 else ""
    several = methods["epochs"].nunique() > 1
    epochs = "" if several else f"{settings['epochs']} epochs, "
    lines = [
        f"{settings['backbone']}, {epochs}batches of {settings['batch_size']} images{same}.",
        "",
        *markdown.table(*_task_table(comparison)),
        "",
    ]
    for row in methods.itertuples():
        own = f", {row.epochs} epochs" if several else ""
        lines.append(f"- {row.title}: {markdown.seeds(row.seeds)}{own}{_units(comparison, row)}")
    if several:
        lines += ["", "**The methods differ in epochs.**"]
    few = methods.loc[methods["seeds"].map(len) < MIN_SEEDS, "title"]
    if len(few):
        lines += ["", f"With fewer than three seeds there is no interval: {', '.join(few)}."]
    lines += ["", *markdown.table(*provenance.provenance_table(comparison))]
    if difference := provenance.differing(comparison):
        lines += ["", difference]
    if without := runs_without_history(comparison.outputs):
        lines += ["", "A history.json is missing, so the accuracy by epoch has gaps:", ""]
        lines += [f"- `{run}`" for run in without]
    if comparison.unfinished:
        lines += ["", "Not finished, and left out (the same command continues each):", ""]
        lines += [f"- `{run}`" for run in comparison.unfinished]
    if comparison.paper:
        lines += ["", f"Differences from the paper's setting ({comparison.paper.source}):", ""]
        lines += [f"- {text}" for text in _deviations(comparison)]
    return lines


def _units(comparison: Comparison, method) -> str:
    """ ", 4 units" where variants of the DVN have other numbers of units than the DVN."""
    methods = comparison.methods
    virtual = methods.loc[methods.index.isin({"dvn", *comparison.variants}), "units"]
    own = virtual.nunique() > 1 and method.Index in virtual.index
    return f", {method.units} units" if own else ""


def _task_table(comparison: Comparison) -> markdown.Table:
    head = ["task", "classes", "training images", "a class", "test images"]
    head += ["training images a class in the paper"] if comparison.paper else []
    rows = []
    for number, (task, facts) in enumerate(comparison.tasks.iterrows()):
        row = [
            f"{number + 1}: {task}",
            f"{facts['classes']:,}",
            f"{facts['train_images']:,}",
            _a_class(facts),
            f"{facts['test_images']:,}",
        ]
        row += [_a_class(comparison.paper.tasks.iloc[number])] if comparison.paper else []
        rows.append(row)
    return head, rows


def _deviations(comparison: Comparison) -> list[str]:
    settings, theirs, found = comparison.settings, comparison.paper, []
    if settings["backbone"] != theirs.backbone:
        found.append(f"backbone: {settings['backbone']}, in the paper {theirs.backbone}")
    if theirs.batch_size and settings["batch_size"] != theirs.batch_size:
        found.append(f"batch size: {settings['batch_size']}, in the paper {theirs.batch_size}")
    for number, (task, facts) in enumerate(comparison.tasks.iterrows()):
        own = theirs.tasks.iloc[number]
        if facts["classes"] != own["classes"]:
            found.append(f"{task}: {facts['classes']} classes, in the paper {own['classes']}")
        if facts["train_images"] != own["train_images"]:
            found.append(
                f"{task}: {_a_class(facts)} training images a class ({facts['train_images']:,}), "
                f"in the paper {_a_class(own)} ({own['train_images']:,})"
            )
    counts = comparison.methods["seeds"].map(len)
    fewest, most = counts.min(), counts.max()
    number = str(most) if fewest == most else f"{fewest} to {most}"
    found.append(f"seeds: {number}, in the paper one (N = 1, as far as it says)")
    epochs = dict.fromkeys(map(str, comparison.methods["epochs"]))
    found.append(f"epochs: {markdown.joined([*epochs])}; the paper does not give its number")
    return found


def _a_class(facts: pd.Series) -> str:
    return f"{facts['train_images'] / facts['classes']:,.0f}"
