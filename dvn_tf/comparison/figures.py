"""The report's figures: the paper's Figures 4, 5 and 6, and the methods side by side."""

import collections
import itertools
import pathlib

import matplotlib

from dvn_tf.comparison import cost_figure, forgetting, panels
from dvn_tf.comparison.comparison import AVERAGE, Comparison
from dvn_tf.comparison.statistics import MIN_SEEDS
from dvn_tf.errors import UserError
from dvn_tf.figures import COLOURS, agg_figure
from dvn_tf.tasks import size_name

ENDINGS = (".png", ".svg")
_LEVEL_COLOURS = [
    COLOURS[n] for n in ("orange", "blue", "green", "purple", "sky blue", "vermilion")
]
_LEVEL_STYLES = ("-", "--", "-.", ":")
_BEFORE, _AFTER = 10, 5  # the sizes of marks before and after other tasks were learned
_DPI = 120
_LONGEST_SIDE, _MOST_PIXELS = 2**15, 2**27  # 2**27 pixels take 512 MiB while they are drawn
_DENSITY = "size (share of the backbone's parameters)"


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
        "accuracy_over_cost": cost_figure.draw,
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
                _check_size(figure, name)
                figure.savefig(folder / f"{name}.png", dpi=_DPI)
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return captions


def _check_size(figure, name: str) -> None:
    width, height = (_DPI * inches for inches in figure.get_size_inches())
    if max(width, height) > _LONGEST_SIDE or width * height > _MOST_PIXELS:
        raise UserError(
            f"the figure {name} would be {width:,.0f} x {height:,.0f} pixels: compare fewer "
            "methods, tasks or levels at once"
        )


def _dvn_by_epoch(figure, comparison: Comparison) -> str | None:
    """Figure 4: every output of the DVN."""
    if not comparison.has_dvn:
        return None

    def draw(axes, task):
        levels = comparison.levels_of("dvn", task)
        for level in levels:
            style = _LEVEL_STYLES[(len(levels) - level) % len(_LEVEL_STYLES)]
            colour = _LEVEL_COLOURS[(level - 1) % len(_LEVEL_COLOURS)]
            curves = comparison.curves("dvn", task, level)
            panels.draw_curves(axes, curves, colour, comparison.level_title("dvn", level), style)
        for epoch in comparison.stage_ends("dvn"):
            axes.axvline(epoch + 0.5, color="#999999", linewidth=1, linestyle=":")

    title = f"{comparison.scenario}: the DVN's outputs by epoch"
    xlabel = "epoch, all stages" if comparison.sequential else "epoch"
    if not panels.draw_tasks(figure, comparison, draw, xlabel, title):
        return None
    ends = " Dotted lines: a stage ends." if comparison.stage_ends("dvn") else ""
    theirs = _papers_figure(comparison, {"J1": "4"})
    bands = _intervals(comparison, "bands", ["dvn"])
    return f"Test accuracy of the DVN's outputs by epoch{theirs}; {bands}.{ends}"


def _over_density(figure, comparison: Comparison) -> str | None:
    """Figures 5a and 6: one line for the DVN's levels, a point for each other output."""
    methods = [*comparison.methods.index.drop("nestednet_single", errors="ignore")]
    title = f"{comparison.scenario}: accuracy by size"
    if not _draw_by_size(figure, comparison, methods, title):
        return None
    theirs = _papers_figure(comparison, {"J2": "5a", "J3": "6"}, ", which prints no numbers")
    apart = " Outputs of the same size are set a little apart." if len(methods) > 1 else ""
    bars = _intervals(comparison, "bars", methods)
    return f"Test accuracy by size{theirs}; {bars}.{apart}"


def _memory_efficient(figure, comparison: Comparison) -> str | None:
    """Figure 5b: all levels of the DVN and of one NestedNet a task."""
    methods = ["nestednet_single", "dvn"]
    if not {*methods} <= {*comparison.methods.index}:
        return None
    title = f"{comparison.scenario}: memory efficient inference"
    _draw_by_size(figure, comparison, methods, title)
    networks = comparison.methods.at["nestednet_single", "num_networks"]
    theirs = _papers_figure(comparison, {"J2": "5b"})
    bars = _intervals(comparison, "bars", methods)
    return f"One DVN against {networks} NestedNets, one network a task{theirs}; {bars}."


def _draw_by_size(figure, comparison: Comparison, methods: list[str], title: str) -> bool:
    looks = panels.looks(comparison)

    def draw(axes, task):
        own = comparison.tasks.at[task, "title"]
        outputs = [(m, level) for m in methods for level in comparison.levels_of(m, task)]
        densities = {output: comparison.cost(*output, own, "density") for output in outputs}
        # Outputs of the same size would hide each other: they stand side by side.
        same = collections.defaultdict(list)
        for output, density in densities.items():
            same[size_name(density)].append(output)
        step = _step([*densities.values()], max(map(len, same.values())))
        for method in methods:
            levels = comparison.levels_of(method, task)
            places = []
            for level in levels:
                beside = same[size_name(densities[method, level])]
                shift = beside.index((method, level)) - (len(beside) - 1) / 2
                places.append(densities[method, level] + step * shift)
            values = [comparison.accuracy(method, level, own) for level in levels]
            label = comparison.methods.at[method, "title"]
            panels.draw_levels(axes, places, values, looks[method], label)
        apart = step * (max(map(len, same.values())) - 1) / 2
        panels.name_sizes(axes, [*densities.values()], apart)

    return panels.draw_tasks(figure, comparison, draw, _DENSITY, title)


def _step(densities: list[float], most: int) -> float:
    """How far apart outputs of one size stand, so that they do not reach those of the next."""
    places = sorted(densities)
    gaps = [b - a for a, b in itertools.pairwise(places) if size_name(a) != size_name(b)]
    return min([0.02, *(0.7 * gap / most for gap in gaps)])


def _by_method(figure, comparison: Comparison) -> str:
    """Every level of every method, with its seeds and the paper's number."""
    rows = comparison.levels[::-1]
    titles = [*comparison.tasks["title"], AVERAGE]
    printed = False
    looks = panels.looks(comparison)
    row = panels.panels(figure, titles, height=1.8 + 0.33 * len(rows), sharey=True)
    for title, axes in row.items():
        for height, (method, level) in enumerate(rows):
            panels.draw_row(axes, height, comparison.accuracy(method, level, title), looks[method])
            theirs = comparison.paper_accuracy(method, level, title)
            if theirs is not None:
                axes.plot(theirs, height, "d", color="black", markerfacecolor="none", markersize=8)
                printed = True
        panels.name_rows(axes, [comparison.level_title(*row) for row in rows])
    few = comparison.methods["seeds"].map(len) < MIN_SEEDS
    marks = {}
    if not few.all():
        marks["mean and 95 % interval"] = panels.key("o", line="-")
        marks["each seed"] = panels.key("|", size=11)
    if few.any():
        marks["each seed" if few.all() else "each seed (fewer than three)"] = panels.key("o")
    if printed:
        marks["the paper (N = 1)"] = panels.key("d", size=8, filled=False)
    panels.add_legend(figure, marks)
    many = len(comparison.methods) > 1
    figure.suptitle(f"{comparison.scenario}: test accuracy by {'method' if many else 'size'}")
    return f"Test accuracy of every output; {_intervals(comparison, 'bars')}."


def _methods_by_epoch(figure, comparison: Comparison) -> str | None:
    """The highest level of each method by epoch."""
    if [*comparison.methods.index] == ["dvn"]:
        return None  # that is `_dvn_by_epoch`
    looks = panels.looks(comparison)
    counted = "epoch" if comparison.sequential else "task_epoch"

    def draw(axes, task):
        for method, levels in comparison.methods["levels"].items():
            highest = comparison.levels_of(method, task)[-1]
            curves = comparison.curves(method, task, highest, counted)
            label = comparison.level_title(method, levels)
            panels.draw_curves(axes, curves, looks[method].colour, label, looks[method].line)

    xlabel = "epoch, all stages" if comparison.sequential else "epoch of the task's training"
    title = f"{comparison.scenario}: the largest output of each method by epoch"
    if not panels.draw_tasks(figure, comparison, draw, xlabel, title):
        return None
    bands = _intervals(comparison, "bands")
    return f"Test accuracy of each method's largest output by epoch; {bands}."


def _forgetting(figure, comparison: Comparison) -> str | None:
    """Each old task right after its stage (open) and at the end (filled)."""
    if not comparison.sequential:
        return None
    changes = forgetting.changes(comparison)
    if changes.empty:
        return None
    outputs = {
        title: [*rows.groupby(["method", "level"], sort=False)][::-1]
        for title, rows in changes.groupby("title", sort=False)
    }
    most = max(map(len, outputs.values()))
    looks = panels.looks(comparison)
    row = panels.panels(figure, [*outputs], 1.8 + 0.33 * most, width=5.2 * len(outputs))
    for title, axes in row.items():
        for height, ((method, _), seeds) in enumerate(outputs[title]):
            ends = seeds[["before", "after"]].astype(float)
            if len(ends) >= MIN_SEEDS:
                ends = ends.mean().to_frame().T
            for place, (before, after) in enumerate(ends.to_numpy()):
                shifted = height + 0.25 * ((len(ends) - 1) / 2 - place)
                _draw_change(axes, before, after, shifted, looks[method])
        names = [comparison.level_title(*output, title) for output, _ in outputs[title]]
        panels.name_rows(axes, names)
    marks = {
        "after its own stage": panels.key("o", _BEFORE, filled=False),
        "at the end": panels.key("o", _AFTER),
    }
    panels.add_legend(figure, marks)
    figure.suptitle(f"{comparison.scenario}: what is kept of old tasks")
    few = comparison.methods["seeds"].map(len) < MIN_SEEDS
    what = "each seed" if few.all() else "mean over seeds"
    what += ", or each seed where there are fewer than three" if few.any() and not few.all() else ""
    return f"Old tasks right after their own stage (open) and at the end (filled); {what}."


def _draw_change(axes, before: float, after: float, height: float, look: panels.Look) -> None:
    colour, marker = look.colour, look.marker
    axes.plot((before, after), (height, height), "-", color=colour, linewidth=2)
    options = {"color": colour, "clip_on": False}
    # The open mark is larger, so that both are seen where nothing is forgotten.
    axes.plot(before, height, marker, markersize=_BEFORE, markerfacecolor="white", **options)
    axes.plot(after, height, marker, markersize=_AFTER, **options)


def _intervals(comparison: Comparison, marks: str, methods: list[str] | None = None) -> str:
    """How a figure shows several seeds: "means over seeds, bars are 95 % intervals"."""
    seeds = comparison.methods["seeds"].map(len)
    few = seeds.loc[methods or seeds.index] < MIN_SEEDS
    if few.all():
        return "each seed by itself"
    text = f"mean over seeds, {marks} are 95 % intervals within 0 to 100 %"
    return (
        f"{text}, and each seed by itself where there are fewer than three" if few.any() else text
    )


def _papers_figure(comparison: Comparison, numbers: dict[str, str], more: str = "") -> str:
    """ " (the paper's Figure 4)" for a scenario that the paper shows there, "" for others."""
    number = numbers.get(comparison.scenario) if comparison.paper else None
    return f" (the paper's Figure {number}{more})" if number else ""
