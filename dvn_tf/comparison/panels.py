"""What the report's figures are drawn with: panels, axes, legends, and marks of accuracies."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dvn_tf.comparison.comparison import SEPARATE, Comparison
from dvn_tf.comparison.statistics import Estimate, estimate
from dvn_tf.figures import COLOURS
from dvn_tf.tasks import size_name

ACCURACY = "test accuracy, %"
_DARK_YELLOW = "#B8A800"  # the palette's yellow, dark enough for a line on white
# A colour and a marker for each method that the paper compares, and for separate networks.
_LOOKS = {
    "dvn": (COLOURS["blue"], "o"),
    "nestednet": (COLOURS["orange"], "s"),
    "nestednet_single": (COLOURS["vermilion"], "D"),
    "packnet": (COLOURS["green"], "^"),
    "baseline": (COLOURS["grey"], "X"),
    "lwf": (COLOURS["purple"], "v"),
    "feature_extraction": (COLOURS["sky blue"], "<"),
    "da_cnn": (_DARK_YELLOW, ">"),
    SEPARATE: ("#000000", "P"),
}
# Those of other methods and of variants, in turn; there are 7 x 5 pairs.
_MORE_COLOURS = [
    COLOURS[name] for name in ("orange", "green", "vermilion", "purple", "sky blue", "grey")
]
_MORE_COLOURS.append(_DARK_YELLOW)
_MORE_MARKERS = ("*", "d", "p", "x", "h")
_KEY_COLOUR = "#444444"


class Look(NamedTuple):
    """How a method is drawn in every figure of a report: matplotlib's colour, marker, line."""

    colour: str
    marker: str
    line: str = "-"


def looks(comparison: Comparison) -> dict[str, Look]:
    """The look of each method by key; variants of the DVN have dashed lines."""
    methods, found = comparison.methods.index, {}
    taken = {_LOOKS[method][0] for method in methods if method in _LOOKS}
    colours = sorted(_MORE_COLOURS, key=taken.__contains__)  # those that are free go first
    for method in methods:
        if method in _LOOKS:
            found[method] = Look(*_LOOKS[method])
            continue
        number = sum(name not in _LOOKS for name in found)
        colour = colours[number % len(colours)]
        line = "--" if method in comparison.variants else "-"
        found[method] = Look(colour, _MORE_MARKERS[number % len(_MORE_MARKERS)], line)
    return found


def panels(figure, titles: Sequence[str], height=3.8, sharey=False, width=None) -> dict:
    """{title: its axes}, side by side; height and width in inches."""
    figure.set_size_inches(max(6, width or 3.7 * len(titles) + 1), height)
    row = figure.subplots(1, len(titles), squeeze=False, sharey=sharey)[0]
    for title, axes in zip(titles, row, strict=True):
        axes.set_title(title)
        axes.grid(alpha=0.3)
    return dict(zip(titles, row, strict=True))


def draw_tasks(figure, comparison: Comparison, draw: Callable, xlabel: str, title: str) -> bool:
    """Draws a panel for each task, `draw(axes, task)`, with accuracies upwards.

    Returns:
        Whether there was anything to draw.
    """
    row = panels(figure, list(comparison.tasks["title"]))
    labels = {}  # of all panels: the first may lack a method
    for task, axes in zip(comparison.tasks.index, row.values(), strict=True):
        draw(axes, task)
        axes.set_xlabel(xlabel)
        fit_percent(axes, "y")
        if xlabel.startswith("epoch"):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.axes[0].set_ylabel(ACCURACY)
    add_legend(figure, labels)
    figure.suptitle(title)
    return bool(labels)


def fit_percent(axes, along: str) -> None:
    """Fits the axis of accuracies, "x" or "y", to what is drawn, within 0 to 100 %."""
    low, high = getattr(axes.dataLim, f"interval{along}")
    if not math.isfinite(high - low):
        low, high = 0, 100  # nothing is drawn
    space = max(0.06 * (high - low), 0.3)
    axes.set(**{f"{along}lim": (max(0, low - space), min(100, high + space))})


def name_rows(axes, names: Sequence[str]) -> None:
    """Names the rows of a panel whose accuracies go to the right, and fits its axes."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(ACCURACY)
    fit_percent(axes, "x")


def set_apart(places: Sequence[float], step: float) -> list[float]:
    """Moves what would hide each other, less than a step apart, to stand side by side.

    Args:
        places: along an axis.
        step: the distance of neighbours.

    Returns:
        The new places, in the given order.
    """
    groups = []
    for number in sorted(range(len(places)), key=lambda number: places[number]):
        if groups and places[number] - places[groups[-1][0]] < step:
            groups[-1].append(number)
        else:
            groups.append([number])
    moved = [*places]
    for group in groups:
        for place, number in enumerate(group):
            moved[number] += step * (place - (len(group) - 1) / 2)
    return moved


def name_sizes(axes, densities: Sequence[float], apart: float = 0) -> None:
    """Names the sizes of virtual networks along an axis of densities, where there is room.

    Args:
        axes: whose horizontal axis it is.
        densities: the sizes.
        apart: how far to either side of them anything is drawn.
    """
    low, high = min(densities), max(densities)
    kept = []
    for density in sorted(set(densities), reverse=True):
        if not kept or kept[-1] - density >= 0.12 * (high - low):
            kept.append(density)
    axes.set_xticks(kept, [size_name(density) for density in kept])
    space = max(0.08 * (high - low), 0.05, apart + 0.015)
    axes.set_xlim(low - space, high + space)


def add_legend(figure, handles: dict[str, object]) -> None:
    """A legend below the panels, {label: handle}, in rows of about the same length."""
    if not handles:
        return
    # A label of n letters takes about 0.08 n + 0.65 inches.
    room = figure.get_size_inches()[0] / (0.08 * max(map(len, handles)) + 0.65)
    rows = math.ceil(len(handles) / max(1, int(room)))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=math.ceil(len(handles) / rows),
        frameon=False,
    )


def key(marker: str, size: float = 6, filled: bool = True, line: str = "") -> Line2D:
    """A legend's handle for a kind of mark, whichever method it is of."""
    options = {"marker": marker, "markersize": size, "linestyle": line}
    face = _KEY_COLOUR if filled else "white"
    return Line2D([], [], color=_KEY_COLOUR, markerfacecolor=face, **options)


def draw_curves(axes, curves: pd.DataFrame, colour: str, label: str, style: str = "-") -> None:
    """Draws accuracies by epoch: their mean and its interval, or each seed where they are few.

    Args:
        axes: where to.
        curves: a row for each epoch, a column for each seed.
        colour: of the line.
        label: for the legend.
        style: of the line.
    """
    if curves.empty:
        return
    marker = "." if len(curves) == 1 else None
    options = {"color": colour, "marker": marker, "clip_on": False}
    values = [estimate(seeds) for seeds in curves.to_numpy().tolist()]
    if values[0].half is None:
        for seed in curves:
            axes.plot(curves.index, curves[seed], style, label=label, **options)
        return
    axes.plot(curves.index, [value.mean for value in values], style, label=label, **options)
    low, high = zip(*map(_ends, values), strict=True)
    axes.fill_between(curves.index, low, high, color=colour, alpha=0.12, linewidth=0)


def draw_levels(axes, places: Sequence[float], values: Sequence[Estimate], look: Look, label: str):
    """Draws the accuracies of a method's levels upwards, joined by a line.

    Args:
        axes: where to.
        places: of the levels, from left to right.
        values: of the levels; with fewer than three seeds, each seed has a line of its own.
        look: of the method.
        label: for the legend.
    """
    form, options = look.marker + look.line, {"color": look.colour, "label": label}
    if any(value.half is None for value in values):
        for seed in zip(*(value.values for value in values), strict=True):
            axes.plot(places, seed, form, alpha=0.8, clip_on=False, **options)
        return
    means = [value.mean for value in values]
    drawn = axes.errorbar(places, means, yerr=_bars(values), fmt=form, capsize=3, **options)
    _keep_whole(drawn)


def draw_row(axes, height: float, value: Estimate, look: Look) -> None:
    """Draws an accuracy to the right: each seed, and from three seeds on the mean and interval."""
    colour, marker = look.colour, look.marker
    heights = [height] * len(value.values)
    if value.half is None:
        axes.plot(value.values, heights, marker, color=colour, alpha=0.8, clip_on=False)
        return
    axes.plot(value.values, heights, "|", color=colour, markersize=11, clip_on=False)
    drawn = axes.errorbar(
        value.mean, height, xerr=_bars([value]), fmt=marker, color=colour, capsize=3
    )
    _keep_whole(drawn)


def _ends(value: Estimate) -> tuple[float, float]:
    """The interval's ends, as far as accuracies go."""
    return max(0, value.mean - value.half), min(100, value.mean + value.half)


def _bars(values: Sequence[Estimate]) -> list[list[float]]:
    ends = [(value.mean, *_ends(value)) for value in values]
    return [[mean - low for mean, low, _ in ends], [high - mean for mean, _, high in ends]]


def _keep_whole(container) -> None:
    """Draws marks at 0 and 100 % whole, although they reach over the edge of the axes."""
    line, caps, bars = container
    for artist in (line, *caps, *bars):
        artist.set_clip_on(False)
