"""The report's figures: the paper's Figures 4, 5 and 6, and the methods side by side."""

import pathlib

import matplotlib
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
_LEVEL_COLOURS = [
    COLOURS[n] for n in ("orange", "blue", "green", "purple", "sky blue", "vermilion")
]
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


def _dvn_by_epoch(figure, comparison: Comparison) -> str | None:
    """Figure 4: every output of the DVN."""
    if not comparison.has_dvn:
        return None

    def draw(axes, task):
        levels = comparison.levels_of("dvn", task)
        for level in levels:
            style = _LEVEL_STYLES[(len(levels) - level) % len(_LEVEL_STYLES)]
            colour = _LEVEL_COLOURS[(level - 1) % len(_LEVEL_COLOURS)]
            curve = comparison.curve("dvn", task, level)
            _draw_curve(axes, curve, colour, f"level {level}", style)
        for epoch in comparison.stage_ends("dvn"):
            axes.axvline(epoch + 0.5, color="#999999", linewidth=1, linestyle=":")

    number = len(comparison.methods.at["dvn", "seeds"])
    over = "one seed" if number == 1 else f"mean of {number} seeds"
    title = f"{comparison.scenario}: DVN, {over}"
    if not _draw_tasks(figure, comparison, draw, "epoch", title):
        return None
    band = f"mean over {number} seeds with the 95 % interval as band"
    band = "one seed, so without a band" if number == 1 else band
    theirs = _papers_figure(comparison, {"J1": "4"})
    return f"Test accuracy of the DVN's outputs by epoch{theirs}; {band}."


def _over_density(figure, comparison: Comparison) -> str | None:
    """Figures 5a and 6: one line for the DVN's levels, a point for each other output."""
    methods = comparison.methods.index.drop("nestednet_single", errors="ignore")

    def draw(axes, task):
        for place, method in enumerate(methods):
            # Outputs of the same density would hide each other's intervals.
            _draw_levels(axes, comparison, method, task, 0.01 * (place - len(methods) + 1))

    title = f"{comparison.scenario}: accuracy over density"
    if not _draw_tasks(figure, comparison, draw, "parameter density", title):
        return None
    theirs = _papers_figure(comparison, {"J2": "5a", "J3": "6"}, ", which prints no numbers")
    return (
        f"Test accuracy over parameter density{theirs}; {_BARS}. Outputs of the same density are "
        "set a little apart."
    )


def _memory_efficient(figure, comparison: Comparison) -> str | None:
    """Figure 5b: all levels of the DVN and of one NestedNet a task."""
    if not {"nestednet_single", "dvn"} <= {*comparison.methods.index}:
        return None

    def draw(axes, task):
        for method in ("nestednet_single", "dvn"):
            _draw_levels(axes, comparison, method, task)

    title = f"{comparison.scenario}: memory efficient inference"
    _draw_tasks(figure, comparison, draw, "parameter density", title)
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
    counted = "epoch" if comparison.sequential else "task_epoch"

    def draw(axes, task):
        for method, name in comparison.methods["title"].items():
            curve = comparison.curve(method, task, comparison.levels_of(method, task)[-1], counted)
            _draw_curve(axes, curve, _LOOKS.get(method, _OTHER_LOOK)[0], name)

    xlabel = "epoch, all stages" if comparison.sequential else "epoch of the task's training"
    title = f"{comparison.scenario}: highest level of each method"
    if not _draw_tasks(figure, comparison, draw, xlabel, title):
        return None
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


def _draw_tasks(figure, comparison: Comparison, draw, xlabel: str, title: str) -> bool:
    """Draws a panel for each task, `draw(axes, task)`; gives whether there was anything to draw."""
    panels = _panels(figure, list(comparison.tasks["title"]))
    labels = {}  # of all panels: the first may lack a method
    for task, axes in zip(comparison.tasks.index, panels.values(), strict=True):
        draw(axes, task)
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3)
        if xlabel.startswith("epoch"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.axes[0].set_ylabel("test accuracy, %")
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.suptitle(title)
    return bool(labels)


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
    title, levels = comparison.tasks.at[task, "title"], comparison.levels_of(method, task)
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


def _papers_figure(comparison: Comparison, numbers: dict[str, str], more: str = "") -> str:
    """ " (the paper's Figure 4)" for a scenario that the paper shows there, "" for others."""
    number = numbers.get(comparison.scenario) if comparison.paper else None
    return f" (the paper's Figure {number}{more})" if number else ""
