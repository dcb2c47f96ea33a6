"""The figure of accuracy over training cost, of methods that give the same outputs."""

from dvn_tf.comparison import panels
from dvn_tf.comparison.comparison import SEPARATE, Comparison
from dvn_tf.comparison.statistics import MIN_SEEDS, Estimate, estimate

_TIME = "training time"
_MULTIPLY_ADDS = "training multiply-adds"
_COLUMNS = {_TIME: "seconds", _MULTIPLY_ADDS: "training_multiply_adds"}
# The greatest unit of which there is at least one and a half is taken.
_UNITS = {
    _TIME: {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0},
    _MULTIPLY_ADDS: {"10¹⁵": 1e15, "10¹²": 1e12, "10⁹": 1e9, "10⁶": 1e6, "": 1.0},
}


def same_outputs(comparison: Comparison) -> list[str]:
    """The methods that have the DVN's outputs, or without a DVN those of separate networks."""
    reference = "dvn" if comparison.has_dvn else SEPARATE
    if reference not in comparison.methods.index:
        return []
    outputs = {
        method: list(table.dropna(axis=1).columns)
        for method, table in comparison.exact_outputs.groupby(level="method")
    }
    return [name for name in comparison.methods.index if outputs[name] == outputs[reference]]


def average(comparison: Comparison, method: str) -> Estimate:
    """The mean over seeds of a method's average test accuracy over all its outputs, in per cent."""
    rows = comparison.exact_outputs.loc[method].dropna(axis=1).to_numpy()
    return estimate([sum(row) / len(row) for row in rows])


def draw(figure, comparison: Comparison) -> str | None:
    """Draws a point for each method, over measured time and over multiply-adds.

    Returns:
        The caption; None where there are no two methods of the same outputs.
    """
    methods = same_outputs(comparison)
    if len(methods) < 2:
        return None
    costs = {
        title: comparison.methods.loc[methods, column]
        for title, column in _COLUMNS.items()
        if comparison.methods.loc[methods, column].gt(0).all()
    }
    if not costs:
        return None
    row = panels.panels(figure, [*costs], width=4.6 * len(costs) + 1)
    looks = panels.looks(comparison)
    labels = {}
    for title, axes in row.items():
        largest = costs[title].max()
        unit, size = next(
            (unit, size)
            for unit, size in _UNITS[title].items()
            if largest >= 1.5 * size or size == 1
        )
        axes.set_xlim(0, 1.1 * largest / size)
        places = panels.set_apart([*costs[title] / size], 0.02 * largest / size)
        for method, place in zip(methods, places, strict=True):
            value, label = average(comparison, method), comparison.methods.at[method, "title"]
            look = looks[method]._replace(line="")
            panels.draw_levels(axes, [place], [value], look, label)
        axes.set_xlabel(unit)
        panels.fit_percent(axes, "y")
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.axes[0].set_ylabel("average accuracy of all outputs, %")
    panels.add_legend(figure, labels)
    figure.suptitle(f"{comparison.scenario}: accuracy over training cost")
    few = comparison.methods.loc[methods, "seeds"].map(len).lt(MIN_SEEDS)
    shown = "each seed by itself" if few.all() else "mean over seeds, bars are 95 % intervals"
    return (
        "Average test accuracy of all outputs over the cost of training, of the methods that have "
        f"the same outputs; {shown}. Methods of about the same cost are set a little apart."
    )
