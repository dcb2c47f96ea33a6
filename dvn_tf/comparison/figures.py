"""The report's figures: the paper's Figures 4, 5 and 6, and the methods side by side."""

import dataclasses
import pathlib
from collections.abc import Callable

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dvn_tf.comparison import curves, forgetting, tables
from dvn_tf.comparison.paper import PaperScenario
from dvn_tf.comparison.runs import Comparison, Method
from dvn_tf.comparison.statistics import estimate

ENDINGS = (".png", ".svg")
# Okabe and Ito's colours, with a marker each: a method looks the same in every figure.
_LOOKS = {
    "dvn": ("#0072B2", "o"),
    "nestednet": ("#E69F00", "s"),
    "nestednet_single": ("#D55E00", "D"),
    "packnet": ("#009E73", "^"),
    "baseline": ("#666666", "X"),
    "lwf": ("#CC79A7", "v"),
    "feature_extraction": ("#56B4E9", "<"),
    "da_cnn": ("#B8A800", ">"),
}
_OTHER_LOOK = ("#000000", "P")
_LEVEL_COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_BARS = "bars are 95 % intervals where there are several seeds"
_LEVEL_STYLES = ("-", "--", "-.", ":")


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure of the report.

    Attributes:
        name: of its files, without the ending.
        caption: what it shows.
    """

    name: str
    caption: str


def draw_figures(
    folder: pathlib.Path, comparison: Comparison, paper: PaperScenario | None
) -> list[Drawn]:
    """Draws every figure that the runs give, each as PNG and as SVG.

    Args:
        folder: where to.
        comparison: the runs.
        paper: the paper's scenario, if it is one.

    Returns:
        The figures, in the report's order.

    Raises:
        UserError: if a history is damaged.
    """
    drawn = []
    drawers: tuple[Callable, ...] = (_dvn_by_epoch, _over_density, _memory_efficient)
    drawers += (_by_method, _methods_by_epoch, _forgetting)
    # Task names are not mathematics, and the same runs give the same bytes.
    with matplotlib.rc_context({"text.parse_math": False, "svg.hashsalt": "dvn_tf"}):
        for draw in drawers:
            figure = Figure(layout="constrained")
            FigureCanvasAgg(figure)
            made = draw(figure, comparison, paper)
            if made is None:
                continue
            drawn.append(made)
            figure.savefig(folder / f"{made.name}.png", dpi=120)
            figure.savefig(folder / f"{made.name}.svg", metadata={"Date": None})
    return drawn


def _dvn_by_epoch(figure, comparison, paper) -> Drawn | None:
    """Figure 4: every output of the DVN."""
    dvn = comparison.dvn
    if dvn is None:
        return None
    panels = _panels(figure, comparison)
    empty = True
    for task, axes in panels.items():
        for position in range(1, len(dvn.levels[task]) + 1):
            curve = curves.output_curve(dvn, task, position)
            if curve:
                empty = False
                below = len(dvn.levels[task]) - position
                style = _LEVEL_STYLES[below % len(_LEVEL_STYLES)]
                colour = _LEVEL_COLOURS[(position - 1) % len(_LEVEL_COLOURS)]
                _draw_curve(axes, curve, colour, f"level {dvn.levels[task][position - 1]}", style)
        _mark_stages(axes, dvn)
    if empty:
        return None
    _finish(figure, panels, "epoch", f"{comparison.scenario}: DVN, {_over(dvn)}")
    theirs = " (the paper's Figure 4)" if comparison.scenario == "J1" and paper else ""
    return Drawn(
        "dvn_by_epoch", f"Test accuracy of the DVN's outputs by epoch{theirs}; {_band(dvn)}."
    )


def _over_density(figure, comparison, paper) -> Drawn:
    """Figures 5a and 6: one line for the DVN's levels, a point for each other output."""
    methods = [m for m in comparison.methods.values() if m.key != "nestednet_single"]
    if not methods:
        return None
    panels = _panels(figure, comparison)
    for task, axes in panels.items():
        for place, method in enumerate(methods):
            # Outputs of the same density would hide each other's intervals.
            _draw_levels(axes, method, task, 0.01 * (place - len(methods) + 1))
    _finish(figure, panels, "parameter density", f"{comparison.scenario}: accuracy over density")
    number = {"J2": "5a", "J3": "6"}.get(comparison.scenario) if paper else None
    theirs = f" (the paper's Figure {number}, which prints no numbers)" if number else ""
    return Drawn(
        "accuracy_over_density",
        f"Test accuracy over parameter density{theirs}; {_BARS}. Outputs of the same density are "
        "set a little apart.",
    )


def _memory_efficient(figure, comparison, paper) -> Drawn | None:
    """Figure 5b: all levels of the DVN and of one NestedNet a task."""
    single = comparison.methods.get("nestednet_single")
    if single is None or comparison.dvn is None:
        return None
    panels = _panels(figure, comparison)
    for task, axes in panels.items():
        for method in (single, comparison.dvn):
            _draw_levels(axes, method, task)
    title = f"{comparison.scenario}: memory efficient inference"
    _finish(figure, panels, "parameter density", title)
    theirs = " (the paper's Figure 5b)" if comparison.scenario == "J2" and paper else ""
    networks = single.results["num_networks"]
    return Drawn(
        "memory_efficient",
        f"One DVN against {networks} NestedNets, one network a task{theirs}; {_BARS}.",
    )


def _by_method(figure, comparison, paper) -> Drawn:
    """Every level of every method, with its seeds and the paper's number."""
    rows = [
        (method, position)
        for method in comparison.methods.values()
        for position in range(1, method.num_levels + 1)
    ]
    panels = _panels(figure, comparison, average=True, height=1.4 + 0.33 * len(rows), sharey=True)
    for index, (task, axes) in enumerate(panels.items()):
        number = None if task is None else index
        for height, (method, position) in enumerate(reversed(rows)):
            values = method.accuracies(task, position)
            mean = estimate(values)
            colour, marker = _look(method)
            axes.plot(values, [height] * len(values), "|", color=colour, alpha=0.6, markersize=9)
            axes.errorbar(mean.mean, height, xerr=mean.half, fmt=marker, color=colour, capsize=3)
            theirs = paper and paper.accuracy(method.key, number, position, method.num_levels)
            if theirs is not None:
                axes.plot(theirs, height, "d", color="black", markerfacecolor="none", markersize=8)
        axes.set_yticks(
            range(len(rows)), [tables.level_title(*row) for row in reversed(rows)], fontsize=8
        )
        axes.set_xlabel("test accuracy, %")
        axes.grid(alpha=0.3)
    figure.suptitle(f"{comparison.scenario}: test accuracy by method")
    diamond = " and the paper's number (open diamond, N = 1)" if paper and paper.rows else ""
    return Drawn(
        "accuracy_by_method",
        f"Test accuracy of every level: mean with its 95 % interval where there are several seeds, "
        f"each seed (bar){diamond}.",
    )


def _methods_by_epoch(figure, comparison, paper) -> Drawn | None:
    """The highest level of each method by epoch."""
    panels = _panels(figure, comparison)
    empty = True
    for task, axes in panels.items():
        for method in comparison.methods.values():
            curve = curves.output_curve(method, task, -1, own_stage=not comparison.sequential)
            if curve:
                empty = False
                _draw_curve(axes, curve, _look(method)[0], method.title)
    if empty:
        return None
    title = f"{comparison.scenario}: highest level of each method"
    xlabel = "epoch, all stages" if comparison.sequential else "epoch of the task's training"
    _finish(figure, panels, xlabel, title)
    return Drawn(
        "methods_by_epoch",
        "Test accuracy of each method's highest level by epoch; bands are 95 % intervals where "
        "there are several seeds.",
    )


def _forgetting(figure, comparison, paper) -> Drawn | None:
    """Each old task right after its stage (open) and at the end (filled)."""
    changes = forgetting.changes(comparison) if comparison.sequential else []
    if not changes:
        return None
    tasks = list(dict.fromkeys(change.task for change in changes))
    most = max(sum(change.task == task for change in changes) for task in tasks)
    figure.set_size_inches(max(6, 4.8 * len(tasks)), 1.4 + 0.33 * most)
    for task, axes in zip(tasks, figure.subplots(1, len(tasks), squeeze=False)[0], strict=True):
        own = [change for change in changes if change.task == task][::-1]
        for height, change in enumerate(own):
            colour, marker = _look(change.method)
            ends = change.before.mean(), change.after.mean()
            axes.plot(ends, (height, height), "-", color=colour, linewidth=2)
            axes.plot(ends[0], height, marker, color=colour, markerfacecolor="white")
            axes.plot(ends[1], height, marker, color=colour)
        axes.set_yticks(range(len(own)), [tables.level_title(c.method, c.position) for c in own])
        axes.set_title(tables.task_titles(comparison)[task])
        axes.set_xlabel("test accuracy, %")
        axes.grid(alpha=0.3)
    figure.suptitle(f"{comparison.scenario}: what is kept of old tasks")
    return Drawn(
        "forgetting",
        "Old tasks right after their own stage (open) and at the end (filled), mean over seeds.",
    )


def _panels(figure, comparison, average=False, height=3.8, sharey=False) -> dict:
    """{task: its axes}, side by side; None is the average over tasks."""
    titles = tables.task_titles(comparison) | ({None: "Average"} if average else {})
    figure.set_size_inches(max(6, 3.7 * len(titles) + 1), height)
    panels = figure.subplots(1, len(titles), squeeze=False, sharey=sharey)[0]
    for title, axes in zip(titles.values(), panels, strict=True):
        axes.set_title(title)
    return dict(zip(titles, panels, strict=True))


def _finish(figure, panels: dict, xlabel: str, title: str) -> None:
    for axes in panels.values():
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3)
        if xlabel.startswith("epoch"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    next(iter(panels.values())).set_ylabel("test accuracy, %")
    # A method may miss in the first panel: the legend is of all of them.
    labels = {}
    for axes in panels.values():
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.suptitle(title)


def _draw_curve(axes, curve: curves.Curve, colour: str, label: str, style: str = "-") -> None:
    axes.plot(
        curve.epochs, curve.mean, style, color=colour, label=label,
        marker="." if len(curve.epochs) == 1 else None,
    )  # fmt: skip
    if curve.half is not None:
        low, high = curve.mean - curve.half, curve.mean + curve.half
        axes.fill_between(curve.epochs, low, high, color=colour, alpha=0.15, linewidth=0)


def _draw_levels(axes, method: Method, task: str, shift: float = 0.0) -> None:
    positions = range(1, len(method.levels[task]) + 1)
    values = [estimate(method.accuracies(task, position)) for position in positions]
    colour, marker = _look(method)
    axes.errorbar(
        [method.output(task, position)["density"] + shift for position in positions],
        [value.mean for value in values],
        yerr=[value.half or 0 for value in values] if values[0].half is not None else None,
        fmt=f"{marker}-",
        color=colour,
        capsize=3,
        label=method.title,
    )


def _mark_stages(axes, method: Method) -> None:
    for epoch in curves.stage_ends(method):
        axes.axvline(epoch + 0.5, color="#999999", linewidth=1, linestyle=":")


def _look(method: Method) -> tuple[str, str]:
    return _LOOKS.get(method.key, _OTHER_LOOK)


def _over(method: Method) -> str:
    number = len(method.seeds)
    return "one seed" if number == 1 else f"mean of {number} seeds"


def _band(method: Method) -> str:
    if len(method.seeds) == 1:
        return "one seed, so without a band"
    return f"mean over {len(method.seeds)} seeds with the 95 % interval as band"
