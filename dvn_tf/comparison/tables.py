"""Accuracies in the layouts of the paper's Tables 1, 3, 4 and 5, beside the paper's numbers."""

import pandas as pd

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import Comparison
from dvn_tf.comparison.markdown import Table


def accuracy_table(comparison: Comparison) -> Table:
    """The accuracies of a scenario in the layout that the paper has for it.

    Scenarios that the paper does not have get Table 1's layout for joint learning and Table 4's
    for sequential learning. A run alone gets a plain table of its outputs.

    Returns:
        The head and the rows.
    """
    if comparison.single_run:
        return _outputs_down(comparison)
    if comparison.sequential:
        return _tasks_down(comparison)
    if comparison.paper and comparison.paper.sizes:
        return _sizes_across(comparison)
    return _methods_down(comparison)


def _outputs_down(comparison: Comparison) -> Table:
    """A row for each output of a single run."""
    head = ["Task", "size", "level", "parameters", "paper's count", "correct", "accuracy, %"]
    rows = []
    for row in comparison.outputs.itertuples():
        title = comparison.tasks.at[row.task, "title"]
        rows.append(
            [
                title,
                comparison.size(row.method, row.level, title),
                str(row.level),
                f"{row.parameters:,}",
                f"{row.parameters_paper:,}",
                f"{row.correct:,} of {row.total:,}",
                _cell(comparison, row.method, row.level, title),
            ]
        )
    return head, rows


def _methods_down(comparison: Comparison) -> Table:
    """Table 1: a method with several levels has a row for each, the lowest on top."""
    titles = list(comparison.accuracies.columns)
    rows = []
    for method, level in comparison.levels:
        costs = _costs(comparison, method) if level == 1 else ["", ""]
        cells = [_cell(comparison, method, level, title) for title in titles]
        seeds = str(len(comparison.methods.at[method, "seeds"]))
        rows.append([comparison.level_title(method, level), *costs, *cells, seeds])
    return ["Method", "N_O", "N_T", *titles, "seeds"], rows


def _sizes_across(comparison: Comparison) -> Table:
    """Table 3: an output stands in the column whose number of parameters is closest to its own."""
    methods, printed = comparison.methods, comparison.paper.sizes
    # The DVN has all sizes; without it, the method with the most.
    reference = "dvn" if comparison.has_dvn else methods["levels"].idxmax()
    head, parameters, names = ["Method", "N_O"], ["No. parameters", "—"], ["Size", "—"]
    rows = [[m.title, _costs(comparison, m.Index)[0]] for m in methods.itertuples()]
    for number, (task, facts) in enumerate(comparison.tasks.iterrows(), start=1):
        sizes = _sizes(comparison, reference, task).tolist()
        theirs = printed if len(printed) == len(sizes) else [""] * len(sizes)
        head += [f"Task {number} ({facts['classes']})"] * len(sizes)
        names += [
            comparison.size(reference, level, facts["title"])
            for level in comparison.levels_of(reference, task)
        ]
        parameters += map(_with_paper, map(markdown.count, sizes), theirs)
        for method, row in zip(methods.index, rows, strict=True):
            cells = [[] for _ in sizes]
            for level, own in _sizes(comparison, method, task).items():
                closest = min(range(len(sizes)), key=lambda place: abs(sizes[place] - own))
                cells[closest].append(_cell(comparison, method, level, facts["title"]))
            row += ["; ".join(cell) or "—" for cell in cells]
    return head, [names, parameters, *rows]


def _sizes(comparison: Comparison, method: str, task: str) -> pd.Series:
    """The parameters of a method's outputs for a task, by level."""
    rows = comparison.outputs.query("method == @method and task == @task")
    return rows.groupby("level")["parameters_paper"].first()


def _tasks_down(comparison: Comparison) -> Table:
    """Tables 4 and 5: a method with several levels has a column for each."""
    levels = comparison.levels
    rows = [
        [title, *(_cell(comparison, method, level, title) for method, level in levels)]
        for title in comparison.accuracies.columns
    ]
    rows.append(["seeds", *(str(len(comparison.methods.at[m, "seeds"])) for m, _ in levels)])
    return ["", *(comparison.level_title(method, level) for method, level in levels)], rows


def _costs(comparison: Comparison, method: str) -> list[str]:
    """N_O and N_T, as the paper counts both."""
    row, theirs = comparison.methods.loc[method], comparison.paper
    return [
        _with_paper(ours, theirs.cost(method, column) if theirs else "")
        for column, ours in (
            ("outputs", str(row["outputs_of_a_network"])),
            ("parameters", markdown.count(row["run_parameters_paper"])),
        )
    ]


def _cell(comparison: Comparison, method: str, level: int, title: str) -> str:
    """ "94.61 ± 0.21 (paper 94.6)": our mean and interval, and what the paper prints."""
    theirs = comparison.paper_accuracy(method, level, title)
    # The paper gives a second digit only where it is not zero.
    printed = "" if theirs is None else f"{theirs:.2f}".removesuffix("0")
    return _with_paper(markdown.with_interval(comparison.accuracy(method, level, title)), printed)


def _with_paper(ours: str, theirs: str) -> str:
    return f"{ours} (paper {theirs})" if theirs else ours
