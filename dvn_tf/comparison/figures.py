"""The report's figures: the paper's Figures 4, 5 and 6, and the methods side by side."""

import pathlib

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from dvn_tf.comparison import forgetting
from dvn_tf.comparison.comparison import AVERAGE, Comparison
from dvn_tf.comparison.statistics import estimate
from dvn_tf.figures import COLOURS, agg_figure

ENDINGS = (".png", ".svg")
# A colour and a marker for each method, which looks the same in every figure.
_LOOKS = {
    "dvn": (COLOURS["blue"], "o"),
    "nestednet": (COLOURS["orange"], "s"),
    "nestednet_single": (COLOURS["vermilion"], "D"),
    "packnet": (COLOURS["green"], "^"),
    "baseline": (COLOURS["grey"], "X"),
    "lwf": (COLOURS["purple"], "v"),
    "feature_extraction": (COLOURS["sky blue"], "<"),
    "da_cnn": ("#B8A800", ">"),  # the palette's yellow, dark enough for a line on white
}
_OTHER_LOOK = ("#000000", "P")
_LEVEL_COLOURS = [COLOURS[n] for n in ("orange", "blue", "green", "purple", "sky blue", "vermilion")]
_LEVEL_STYLES = ("-", "--", "-.", ":")
_BARS = "bars are 95 % intervals where there are several seeds"


def draw_figures(folder: pathlib.Path, comparison: Comparison) -> dict[str, str]:
    """Draws every figure that the runs give, each as PNG and as SVG.

    Args:
        folder: where to.
        comparison: the runs.

    Returns:
        {name of the files, without the ending: caption}, in the report's order.
    """
    drawers = {
        "dvn_by_epoch": _dvn_by_epoch,
        "accuracy_over_density": _over_density,
        "memory_efficient": _memory_efficient,
        "accuracy_by_method": _by_method,
        "methods_by_epoch": _methods_by_epoch,
        "forgetting": _forgetting,
    }
    captions = {}
    # Task names are not mathematics, and the same runs give the same bytes.
    with matplotlib.rc_context({"text.parse_math": False, "svg.hashsalt": "dvn_tf"}):
        for name, draw in drawers.items():
            figure = agg_figure(layout="constrained")
            caption = draw(figure, comparison)
            if caption:
                captions[name] = caption
                figure.savefig(folder / f"{name}.png", dpi=120)
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return captions


def output_curve(
    comparison: Comparison, method: str, task: str, level: int, epoch: str = "epoch"
) -> pd.DataFrame:
    """Test accuracy by epoch, in per cent, over the seeds of a method.

    Args:
        comparison: the runs.
        method: a method's key.
        task: a task's name.
        level: from 1. A stage whose network lacks the level gives its highest.
        epoch: how epochs are counted: "epoch" over all stages, "task_epoch" over those that
            learn the task.

    Returns:
        A row for each epoch that was measured with all seeds: mean, and half the 95 % interval,
        which is NaN with one seed.
    """
    rows = comparison.epochs
    rows = rows[(rows["method"] == method) & (rows["task"] == task) & rows[epoch].notna()]
    levels = rows.pivot(index=[epoch, "seed"], columns="level", values="accuracy")
    # A seed without any history takes the curve away.
    seeds = comparison.methods.at[method, "seeds"]
    by_level = levels.reindex(columns=range(1, level + 1)).ffill(axis=1)
    by_seed = by_level[level].unstack("seed").reindex(columns=seeds).dropna()
    means = [estimate(100 * values) for values in by_seed.to_numpy()]
    curve = [(value.mean, np.nan if value.half is None else value.half) for value in means]
    return pd.DataFrame(curve, by_seed.index.astype(int), ["mean", "half"], float)


def stage_ends(comparison: Comparison, method: str) -> list[int]:
    """The epoch after which each stage but the last ended, counted over all stages."""
    epochs = comparison.epochs[comparison.epochs["method"] == method]
    ends = epochs.loc[epochs["seed"] == epochs["seed"].min(), "stage_end"]
    return sorted(ends.unique())[:-1]


def _dvn_by_epoch(figure, comparison: Comparison) -> str | None:
    """Figure 4: every output of the DVN."""
    if not comparison.has_dvn:
        return None
    panels = _panels(figure, list(comparison.tasks["title"]))
    empty = True
    for task, axes in zip(comparison.tasks.index, panels.values(), strict=True):
        levels = _levels_of(comparison, "dvn", task)
        for level in levels:
            curve = output_curve(comparison, "dvn", task, level)
            empty &= curve.empty
            style = _LEVEL_STYLES[(len(levels) - level) % len(_LEVEL_STYLES)]
            colour = _LEVEL_COLOURS[(level - 1) % len(_LEVEL_COLOURS)]
            _draw_curve(axes, curve, colour, f"level {level}", style)
        for epoch in stage_ends(comparison, "dvn"):
            axes.axvline(epoch + 0.5, color="#999999", linewidth=1, linestyle=":")
    if empty:
        return None
    number = len(comparison.methods.at["dvn", "seeds"])
    over = "one seed" if number == 1 else f"mean of {number} seeds"
    _finish(figure, panels, "epoch", f"{comparison.scenario}: DVN, {over}")
    band = f"mean over {number} seeds with the 95 % interval as band"
    band = "one seed, so without a band" if number == 1 else band
    theirs = _papers_figure(comparison, {"J1": "4"})
    return f"Test accuracy of the DVN's outputs by epoch{theirs}; {band}."


def _over_density(figure, comparison: Comparison) -> str | None:
    """Figures 5a and 6: one line for the DVN's levels, a point for each other output."""
    methods = comparison.methods.index.drop("nestednet_single", errors="ignore")
    if methods.empty:
        return None
    panels = _panels(figure, list(comparison.tasks["title"]))
    for task, axes in zip(comparison.tasks.index, panels.values(), strict=True):
        for place, method in enumerate(methods):
            # Outputs of the same density would hide each other's intervals.
            _draw_levels(axes, comparison, method, task, 0.01 * (place - len(methods) + 1))
    _finish(figure, panels, "parameter density", f"{comparison.scenario}: accuracy over density")
    theirs = _papers_figure(comparison, {"J2": "5a", "J3": "6"}, ", which prints no numbers")
    return (
        f"Test accuracy over parameter density{theirs}; {_BARS}. Outputs of the same density are "
        "set a little apart."
    )


def _memory_efficient(figure, comparison: Comparison) -> str | None:
    """Figure 5b: all levels of the DVN and of one NestedNet a task."""
    if not {"nestednet_single", "dvn"} <= {*comparison.methods.index}:
        return None
    panels = _panels(figure, list(comparison.tasks["title"]))
    for task, axes in zip(comparison.tasks.index, panels.values(), strict=True):
        for method in ("nestednet_single", "dvn"):
            _draw_levels(axes, comparison, method, task)
    title = f"{comparison.scenario}: memory efficient inference"
    _finish(figure, panels, "parameter density", title)
    networks = comparison.methods.at["nestednet_single", "num_networks"]
    theirs = _papers_figure(comparison, {"J2": "5b"})
    return f"One DVN against {networks} NestedNets, one network a task{theirs}; {_BARS}."


def _by_method(figure, comparison: Comparison) -> str:
    """Every level of every method, with its seeds and the paper's number."""
    rows = comparison.levels[::-1]
    titles = [*comparison.tasks["title"], AVERAGE]
    panels = _panels(figure, titles, height=1.4 + 0.33 * len(rows), sharey=True)
    for title, axes in panels.items():
        for height, (method, level) in enumerate(rows):
            values = comparison.accuracies.loc[(method, level), title]
            mean = estimate(values)
            colour, marker = _LOOKS.get(method, _OTHER_LOOK)
            axes.plot(values, [height] * len(values), "|", color=colour, alpha=0.6, markersize=9)
            axes.errorbar(mean.mean, height, xerr=mean.half, fmt=marker, color=colour, capsize=3)
            theirs = comparison.paper_accuracy(method, level, title)
            if theirs is not None:
                axes.plot(theirs, height, "d", color="black", markerfacecolor="none", markersize=8)
        _name_rows(axes, [comparison.level_title(*row) for row in rows], fontsize=8)
    figure.suptitle(f"{comparison.scenario}: test accuracy by method")
    printed = comparison.paper and len(comparison.paper.accuracies)
    diamond = " and the paper's number (open diamond, N = 1)" if printed else ""
    return (
        "Test accuracy of every level: mean with its 95 % interval where there are several seeds, "
        f"each seed (bar){diamond}."
    )


def _methods_by_epoch(figure, comparison: Comparison) -> str | None:
    """The highest level of each method by epoch."""
    panels = _panels(figure, list(comparison.tasks["title"]))
    counted = "epoch" if comparison.sequential else "task_epoch"
    empty = True
    for task, axes in zip(comparison.tasks.index, panels.values(), strict=True):
        for method, title in comparison.methods["title"].items():
            highest = max(_levels_of(comparison, method, task))
            curve = output_curve(comparison, method, task, highest, counted)
            empty &= curve.empty
            _draw_curve(axes, curve, _LOOKS.get(method, _OTHER_LOOK)[0], title)
    if empty:
        return None
    xlabel = "epoch, all stages" if comparison.sequential else "epoch of the task's training"
    _finish(figure, panels, xlabel, f"{comparison.scenario}: highest level of each method")
    return (
        "Test accuracy of each method's highest level by epoch; bands are 95 % intervals where "
        "there are several seeds."
    )


def _forgetting(figure, comparison: Comparison) -> str | None:
    """Each old task right after its stage (open) and at the end (filled)."""
    if not comparison.sequential:
        return None
    changes = forgetting.changes(comparison)
    means = changes.groupby(["title", "method", "level"], sort=False)[["before", "after"]].mean()
    if means.empty:
        return None
    titles = list(changes["title"].unique())
    most = max(len(means.loc[title]) for title in titles)
    panels = _panels(figure, titles, 1.4 + 0.33 * most, width=4.8 * len(titles))
    for title, axes in panels.items():
        own = means.loc[title][::-1]
        for height, ((method, _), ends) in enumerate(own.iterrows()):
            colour, marker = _LOOKS.get(method, _OTHER_LOOK)
            axes.plot(ends, (height, height), "-", color=colour, linewidth=2)
            axes.plot(ends.iloc[0], height, marker, color=colour, markerfacecolor="white")
            axes.plot(ends.iloc[1], height, marker, color=colour)
        _name_rows(axes, [comparison.level_title(*row) for row in own.index])
    figure.suptitle(f"{comparison.scenario}: what is kept of old tasks")
    return "Old tasks right after their own stage (open) and at the end (filled), mean over seeds."


def _panels(figure, titles: list[str], height=3.8, sharey=False, width=None) -> dict:
    """{title: its axes}, side by side."""
    figure.set_size_inches(max(6, width or 3.7 * len(titles) + 1), height)
    panels = figure.subplots(1, len(titles), squeeze=False, sharey=sharey)[0]
    for title, axes in zip(titles, panels, strict=True):
        axes.set_title(title)
    return dict(zip(titles, panels, strict=True))


def _finish(figure, panels: dict, xlabel: str, title: str) -> None:
    for axes in panels.values():
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3)
        if xlabel.startswith("epoch"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    next(iter(panels.values())).set_ylabel("test accuracy, %")
    # The first panel may lack a method: the legend is of all panels.
    labels = {}
    for axes in panels.values():
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.suptitle(title)


def _name_rows(axes, names: list[str], **options) -> None:
    axes.set_yticks(range(len(names)), names, **options)
    axes.set_xlabel("test accuracy, %")
    axes.grid(alpha=0.3)


def _draw_curve(axes, curve: pd.DataFrame, colour: str, label: str, style: str = "-") -> None:
    if curve.empty:
        return
    marker = "." if len(curve) == 1 else None
    axes.plot(curve.index, curve["mean"], style, color=colour, label=label, marker=marker)
    if curve["half"].notna().all():
        low, high = curve["mean"] - curve["half"], curve["mean"] + curve["half"]
        axes.fill_between(curve.index, low, high, color=colour, alpha=0.15, linewidth=0)


def _draw_levels(axes, comparison: Comparison, method: str, task: str, shift: float = 0) -> None:
    title, levels = comparison.tasks.at[task, "title"], _levels_of(comparison, method, task)
    values = [comparison.accuracy(method, level, title) for level in levels]
    colour, marker = _LOOKS.get(method, _OTHER_LOOK)
    axes.errorbar(
        [comparison.cost(method, level, title, "density") + shift for level in levels],
        [value.mean for value in values],
        yerr=None if values[0].half is None else [value.half for value in values],
        fmt=f"{marker}-",
        color=colour,
        capsize=3,
        label=comparison.methods.at[method, "title"],
    )


def _levels_of(comparison: Comparison, method: str, task: str) -> list[int]:
    rows = comparison.outputs.query("method == @method and task == @task")
    return sorted(rows["level"].unique())


def _papers_figure(comparison: Comparison, numbers: dict[str, str], more: str = "") -> str:
    """ " (the paper's Figure 4)" for a scenario that the paper shows there, "" for others."""
    number = numbers.get(comparison.scenario) if comparison.paper else None
    return f" (the paper's Figure {number}{more})" if number else ""
