"""Accuracies in the layouts of the paper's Tables 1, 3, 4 and 5, beside the paper's numbers."""

import numpy as np

from dvn_tf.comparison import markdown
from dvn_tf.comparison.paper import PaperScenario
from dvn_tf.comparison.runs import Comparison, Method
from dvn_tf.comparison.statistics import estimate

Table = tuple[list[str], list[list[str]]]  # head and rows


def accuracy_table(comparison: Comparison, paper: PaperScenario | None) -> Table:
    """The accuracies of a scenario in the layout that the paper has for it.

    Args:
        comparison: the runs.
        paper: the paper's scenario; without one, joint learning takes Table 1's layout and
            sequential learning Table 4's.

    Returns:
        The head and the rows.
    """
    if comparison.sequential:
        return _table_4(comparison, paper)
    if paper and paper.level_parameters:
        return _table_3(comparison, paper)
    return _table_1(comparison, paper)


def level_title(method: Method, position: int) -> str:
    """ "DVN, level 1 (25 %)" with the density of the level; just the title if it has one."""
    if method.num_levels == 1:
        return method.title
    densities = {round(100 * method.output(t, position)["density"]) for t in method.levels}
    density = f" ({densities.pop()} %)" if len(densities) == 1 else ""
    return f"{method.title}, level {position}{density}"


def task_titles(comparison: Comparison) -> dict[str, str]:
    """{task: "Task 1 (cifar10)"}."""
    return {task: f"Task {i} ({task})" for i, task in enumerate(comparison.tasks, start=1)}


def _table_1(comparison, paper) -> Table:
    """Methods down; a method with several levels has a row for each, the lowest on top."""
    head = ["Method", "N_O", "N_T", *task_titles(comparison).values(), "Average", "seeds"]
    rows = []
    for method in comparison.methods.values():
        for position in range(1, method.num_levels + 1):
            costs = ["", ""] if position > 1 else _costs(method, paper)
            rows.append(
                [
                    level_title(method, position),
                    *costs,
                    *_cells(comparison, method, position, paper),
                    str(len(method.seeds)),
                ]
            )
    return head, rows


def _table_3(comparison, paper) -> Table:
    """Tasks and parameters across: an output stands in the column whose size it comes next to."""
    methods = comparison.methods.values()
    # The DVN has all sizes; without it, the method with the most.
    reference = comparison.dvn or max(methods, key=lambda method: method.num_levels)
    sizes = {
        task: [
            reference.output(task, position)["parameters_paper"]
            for position in range(1, len(reference.levels[task]) + 1)
        ]
        for task in comparison.tasks
    }
    head, parameters = ["Method", "N_O"], ["No. parameters", "—"]
    for number, (task, values) in enumerate(comparison.tasks.items(), start=1):
        head += [f"Task {number} ({values['classes']})"] * len(sizes[task])
        printed = paper.level_parameters
        for size, theirs in zip(
            sizes[task], printed if len(printed) == len(sizes[task]) else ("",) * 9, strict=False
        ):
            parameters.append(markdown.count(size) + (f" (paper {theirs})" if theirs else ""))
    rows = [parameters]
    for method in methods:
        cells = []
        for index, task in enumerate(comparison.tasks):
            columns = [[] for _ in sizes[task]]
            for position in range(1, len(method.levels[task]) + 1):
                own = method.output(task, position)["parameters_paper"]
                nearest = int(np.argmin([abs(own - size) for size in sizes[task]]))
                columns[nearest].append(_cell(method, index, task, position, paper))
            cells += [", ".join(column) or "—" for column in columns]
        rows.append([method.title, _costs(method, paper)[0], *cells])
    return head, rows


def _table_4(comparison, paper) -> Table:
    """Tasks down, methods across; a method with several levels has a column for each."""
    columns = [
        (method, position)
        for method in comparison.methods.values()
        for position in range(1, method.num_levels + 1)
    ]
    head = ["", *(level_title(method, position) for method, position in columns)]
    names = [*task_titles(comparison).values(), "Average"]
    cells = [_cells(comparison, method, position, paper) for method, position in columns]
    rows = [[name, *row] for name, *row in zip(names, *cells, strict=True)]
    rows.append(["seeds", *(str(len(method.seeds)) for method, _ in columns)])
    return head, rows


def _costs(method, paper) -> list[str]:
    """N_O and N_T, as the paper counts both."""
    printed = (paper.outputs, paper.parameters) if paper else ({}, {})
    outputs, parameters = (values.get(method.key) for values in printed)
    ours = str(method.outputs_of_a_network), markdown.count(method.results["parameters_paper"])
    return [
        own + (f" (paper {theirs})" if theirs else "")
        for own, theirs in zip(ours, (outputs, parameters), strict=True)
    ]


def _cells(comparison, method, position, paper) -> list[str]:
    tasks = [*enumerate(comparison.tasks), (None, None)]  # the average comes last
    return [_cell(method, index, task, position, paper) for index, task in tasks]


def _cell(method, index, task, position, paper) -> str:
    """ "94.61 ± 0.21 (paper 94.6)": our mean and interval, and what the paper prints."""
    ours = markdown.with_interval(estimate(method.accuracies(task, position)))
    theirs = paper and paper.accuracy(method.key, index, position, method.num_levels)
    if theirs is None:
        return ours
    # The paper gives a second digit only where it is not zero.
    digits = 1 if round(theirs, 1) == theirs else 2
    return f"{ours} (paper {theirs:.{digits}f})"
