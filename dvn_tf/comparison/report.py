"""The comparison's report: one Markdown file, its figures, and the same for TensorBoard."""

import os
import pathlib
import shlex

from dvn_tf.comparison import (
    costs,
    differences,
    figures,
    forgetting,
    markdown,
    settings,
    tables,
    tensorboard,
)
from dvn_tf.comparison import paper as papers
from dvn_tf.comparison.reading import read_comparison
from dvn_tf.comparison.runs import Comparison
from dvn_tf.errors import UserError
from dvn_tf.files import atomic_folder, write_text

_REPORT = "report.md"
_NOTES = {
    "J1": "N_O of the baseline is that of one of its networks, as in the paper.",
    "H1": "An output stands in the column whose number of parameters comes next to its own.",
    "S1": (
        "The caption of the paper's Table 4 calls the right column the single unit and the left "
        "one all units; section 4.5 says it the other way round for Table 5, and so do the "
        "numbers, of which the right ones are higher. Here the levels are named."
    ),
}
_NOTES["S2"] = _NOTES["S1"]


def write_report(
    runs: str | os.PathLike, report_dir: str | os.PathLike | None = None
) -> Comparison:
    """Compares the finished runs below a folder, writes the report and prints its summary.

    Args:
        runs: the folder, such as runs/J1.
        report_dir: the folder to write; None is <runs>/report. A report in it is replaced.

    Returns:
        The runs that were compared.

    Raises:
        UserError: if the runs cannot be compared, or the report cannot be written; what was
            there before is then left as it was.
    """
    comparison = read_comparison(runs)
    folder = pathlib.Path(report_dir or comparison.folder / "report")
    board = comparison.folder / "comparison"
    _check_free(folder, lambda name: name == _REPORT or name.endswith(figures.ENDINGS), _REPORT)
    _check_free(board, lambda name: "tfevents" in name, None)
    paper = papers.scenario(comparison.scenario, comparison.sequential, len(comparison.tasks))
    command = f"python -m experiments.compare --runs={shlex.quote(str(runs))}"
    command += f" --report_dir={shlex.quote(str(report_dir))}" if report_dir else ""
    try:
        with atomic_folder(folder) as temporary:
            drawn = figures.draw_figures(temporary, comparison, paper)
            text = report_text(comparison, paper, drawn, command)
            write_text(temporary / _REPORT, text)
            with atomic_folder(board) as temporary_board:
                tensorboard.write_comparison(temporary_board, comparison.tasks, temporary, drawn)
    except OSError as error:
        raise UserError(
            f"cannot write to {folder} or {board}: {error.strerror or error}"
        ) from error
    print(_summary(comparison, paper))
    print(f"\nThe report lies in {folder / _REPORT}, its figures beside it.")
    print(f"TensorBoard:  tensorboard --logdir {comparison.folder}")
    return comparison


def _check_free(folder: pathlib.Path, ours, needed: str | None) -> None:
    """Checks that replacing a folder loses nothing that another program put there."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: give --report_dir another folder")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    strange = [name for name in names if not ours(name)]
    if strange or (names and needed and needed not in names):
        example = (strange or names)[0]
        raise UserError(
            f"{folder} holds other files ({example}), which a report would replace: give "
            "--report_dir a folder of its own, or move them away"
        )


def report_text(
    comparison: Comparison,
    paper: papers.PaperScenario | None,
    drawn: list[figures.Drawn],
    command: str,
) -> str:
    """The report in Markdown.

    Args:
        comparison: the runs.
        paper: the paper's scenario, if it is one.
        drawn: the figures beside it.
        command: the command that writes the report.
    """
    found = differences.differences(comparison, paper)
    lines = [f"# {comparison.scenario}: the methods compared", ""]
    if found:
        lines += [*(f"- {differences.sentence(one)}" for one in found if one.task is None), ""]
        lines += ["On the average over tasks; details under Differences.", ""]
    lines += ["## Accuracy", "", *_accuracy(comparison, paper)]
    for one in drawn:
        image = f"![{one.caption}]({one.name}.png)"
        lines += ["", image, "", f"*{one.caption}* ([SVG]({one.name}.svg))"]
    if comparison.sequential:
        lines += ["", "## Forgetting", "", *_forgetting(comparison)]
    lines += ["", "## Differences", "", *_differences(comparison, found)]
    lines += ["", "## Cost", "", *markdown.table(*costs.table(comparison)), "", costs.NOTE]
    lines += ["", "## Settings", "", *settings.section(comparison, paper)]
    lines += ["", "## How to write this report", "", "```sh", command, "```"]
    return "\n".join(lines) + "\n"


def _accuracy(comparison, paper) -> list[str]:
    text = "Test accuracy in per cent: mean over seeds ± half the 95 % interval (Student's t)"
    if paper and paper.rows:
        text += (
            f"; in brackets the number that the paper prints in its {paper.source} "
            f"({paper.backbone}, N = 1). Settings says how ours differ"
        )
    elif paper:
        text += f". The paper shows this in {paper.source}, without numbers"
    lines = [f"{text}.", "", *markdown.table(*tables.accuracy_table(comparison, paper))]
    if paper and comparison.scenario in _NOTES:
        lines += ["", _NOTES[comparison.scenario]]
    return lines


def _differences(comparison, found) -> list[str]:
    if comparison.dvn is None:
        return ["There is no run of the DVN to compare the other methods to."]
    if not found:
        return ["There is no run of another method to compare the DVN to."]
    lines = [
        "The DVN at its highest and at its lowest level minus the other method at its highest, in "
        "points of accuracy, with the 95 % interval. Paired t test over the seeds that both have "
        "(two-sided), p also after Holm's correction over all tests of this table; what it says "
        f"goes by the corrected p at {differences.SIGNIFICANT:.0%}. Parameters are those of the "
        "two outputs in the paper's count.",
        "",
        *markdown.table(*differences.table(comparison, found)),
    ]
    margins = differences.margins(found)
    return [*lines, "", margins] if margins else lines


def _forgetting(comparison) -> list[str]:
    found = forgetting.changes(comparison)
    if not found:
        return ["No run has the accuracy of an old task right after its own stage."]
    return [
        "An old task's test accuracy right after the stage that learned it, and at the end; a "
        "level that came only later is compared to the highest one of then.",
        "",
        *markdown.table(*forgetting.table(comparison, found)),
    ]


def _summary(comparison, paper) -> str:
    """A few lines for the terminal."""
    lines = [f"{comparison.scenario}: average test accuracy over {len(comparison.tasks)} tasks", ""]
    for method in comparison.methods.values():
        for position in range(1, method.num_levels + 1):
            value = markdown.with_interval(tables.estimate(method.accuracies(None, position)))
            title = tables.level_title(method, position)
            lines.append(f"  {title}: {value} % ({markdown.seeds(method.seeds)})")
    found = differences.differences(comparison, paper)
    lines += ["", *(differences.sentence(one) for one in found if one.task is None)]
    lines += [f"not finished, left out: {run}" for run in comparison.unfinished]
    return "\n".join(lines).rstrip()
