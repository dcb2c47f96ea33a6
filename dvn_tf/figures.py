"""What figures share, and the picture of a task x level table."""

import os
import pathlib
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dvn_tf.files import atomic_file
from dvn_tf.units import UnitPartition, UnitTable

# Okabe and Ito's colours, which people with colour-blindness can tell apart; grey for their black.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky blue": "#56B4E9",
    "vermilion": "#D55E00",
    "yellow": "#F0E442",
    "grey": "#666666",
}


def agg_figure(**options) -> Figure:
    """A figure that draws to files alone, without a display or pyplot's global state.

    Args:
        **options: of `matplotlib.figure.Figure`, such as figsize (width and height in inches).
    """
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


def draw_table(
    path: str | os.PathLike,
    table: UnitTable,
    tasks: Sequence[str] | None = None,
    partition: UnitPartition | None = None,
    title: str = "",
) -> pathlib.Path:
    """Draws a unit table: tasks down, levels across, units coloured (Figure 3).

    Each cell is the stack of all units' channels. A unit is as high as its share of the channels,
    and has a colour of its own where the virtual network uses it.

    Args:
        path: the file to write; its ending gives the format (.png, .svg).
        table: the unit table.
        tasks: names of its rows; None numbers them.
        partition: the channel fractions; None divides the channels evenly.
        title: a title above the picture.

    Returns:
        The path.
    """
    figure = agg_figure(figsize=(1.6 + 1.3 * table.num_levels, 0.9 + 1.2 * table.num_tasks))
    axes = figure.add_subplot()
    fill_table(axes, table, tasks, partition)
    if title:
        axes.set_title(title, pad=12)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")
    return pathlib.Path(path)


def fill_table(
    axes: Axes,
    table: UnitTable,
    tasks: Sequence[str] | None = None,
    partition: UnitPartition | None = None,
) -> None:
    """Draws a unit table on axes; arguments as for `draw_table`."""
    partition = partition or UnitPartition.even(table.num_units)
    names = list(tasks or (f"task {task}" for task in range(1, table.num_tasks + 1)))
    for task in range(1, table.num_tasks + 1):
        for level in range(1, table.num_levels + 1):
            _draw_cell(axes, task, level, table.units(task, level), partition)
    axes.set_xlim(0.5, table.num_levels + 0.5)
    axes.set_ylim(table.num_tasks + 0.5, 0.5)
    axes.set_xticks(
        range(1, table.num_levels + 1), [f"level {n}" for n in range(1, table.num_levels + 1)]
    )
    axes.set_yticks(range(1, table.num_tasks + 1), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_cell(axes, task, level, units, partition):
    width, height = 0.8, 0.84
    top = task - height / 2
    for unit, fraction in enumerate(partition.fractions, start=1):
        used = unit in units
        colour = list(COLOURS.values())[(unit - 1) % len(COLOURS)]
        axes.add_patch(
            Rectangle(
                (level - width / 2, top),
                width,
                fraction * height,
                facecolor=colour if used else "#F4F4F4",
                edgecolor="white",
                linewidth=2,
            )
        )
        if used:
            axes.text(
                level,
                top + fraction * height / 2,
                f"unit {unit}",
                ha="center",
                va="center",
                fontsize=8,
                color=_ink(colour),
            )
        top += fraction * height


def _ink(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (its relative luminance)."""
    red, green, blue = to_rgb(colour)
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.4 else "white"
