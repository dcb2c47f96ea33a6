"""The report of a comparison: Markdown, figures, a CSV file, and the figures in TensorBoard."""

import os
import pathlib
import shlex
import textwrap

from dvn_tf.comparison import (
    costs,
    differences,
    figures,
    forgetting,
    markdown,
    non_inferiority,
    own_network_section,
    settings,
    tables,
    tensorboard,
    variants,
)
from dvn_tf.comparison.comparison import AVERAGE, Comparison, read_comparison
from dvn_tf.comparison.report_folder import check_free, new_report, repair
from dvn_tf.comparison.result_checks import is_shown
from dvn_tf.comparison.result_files import visible_files
from dvn_tf.comparison.statistics import MIN_SEEDS
from dvn_tf.errors import UserError
from dvn_tf.files import atomic_folder, write_text

_REPORT = "report.md"
_RUNS = "runs.csv"
_ENDINGS = (_REPORT, _RUNS, *figures.ENDINGS)
_TABLE_4_AND_5 = (
    "The caption of the paper's Table 4 calls the DVN's right column the single unit and its left "
    "one all units. Section 4.5 says the opposite of Table 5, and so do the numbers: those on the "
    "right are higher. Here each column names its size."
)
_PRIMARY = (
    "This is the primary comparison: the average over the tasks, the DVN's highest level against "
    "each other method."
)
_NOTES = {
    "J1": "N_O of the baseline is that of one of its networks, as in the paper.",
    "H1": "An output stands in the column whose number of parameters is closest to its own.",
    "S1": _TABLE_4_AND_5,
    "S2": _TABLE_4_AND_5,
}


def write_report(
    runs: str | os.PathLike,
    report_dir: str | os.PathLike | None = None,
    margin: float = non_inferiority.MARGIN,
) -> Comparison:
    """Compares the finished runs below a folder, writes the report and prints its summary.

    Args:
        runs: the folder, such as runs/J1.
        report_dir: the folder to write; None is <runs>/report. A report in it is replaced.
        margin: how many points worse than its own network a virtual network may be to count as
            not worse.

    Returns:
        The runs that were compared.

    Raises:
        UserError: if the runs cannot be compared, or the report cannot be written; what was
            there before is then left as it was.
    """
    non_inferiority.check_margin(margin)
    folder = pathlib.Path(report_dir or pathlib.Path(runs) / "report")
    if not is_shown(str(folder)):
        raise UserError(f"reports cannot show the path {str(folder)!a}: choose another folder")
    try:
        if os.fspath(runs):
            repair(folder, _ENDINGS)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
    comparison = read_comparison(runs)
    board = comparison.folder / "comparison"
    logs = visible_files(comparison.folder, "*.tfevents.*")
    has_logs = any(board not in file.parents for file in logs)
    check_free(folder, comparison.folder, _ENDINGS, needed=_REPORT)
    if has_logs:
        check_free(board, comparison.folder, (".comparison",))
    command = f"python -m experiments.compare --runs={shlex.quote(str(runs))}"
    command += f" --report_dir={shlex.quote(str(report_dir))}" if report_dir else ""
    command += f" --margin={margin:g}" if margin != non_inferiority.MARGIN else ""
    try:
        with new_report(folder, _ENDINGS) as temporary:
            captions = figures.draw_figures(temporary, comparison)
            write_text(temporary / _REPORT, report_text(comparison, captions, command, margin))
            comparison.outputs.to_csv(temporary / _RUNS, index=False)
            if has_logs:
                with atomic_folder(board) as temporary_board:
                    tensorboard.write_comparison(
                        temporary_board, comparison.tasks.index, temporary, captions
                    )
    except OSError as error:
        raise UserError(
            f"cannot write to {folder} or {board}: {error.strerror or error}"
        ) from error
    print(_summary(comparison, margin))
    print(f"\nThe report is in {folder / _REPORT}, with its figures and {_RUNS} beside it.")
    if has_logs:
        print(f"TensorBoard:  tensorboard --logdir {comparison.folder}")
    return comparison


def report_text(
    comparison: Comparison,
    captions: dict[str, str],
    command: str,
    margin: float = non_inferiority.MARGIN,
) -> str:
    """The report in Markdown.

    Args:
        comparison: the runs.
        captions: the figures beside it, from `draw_figures`.
        command: the command that writes the report.
        margin: see `write_report`.
    """
    own = non_inferiority.own_network_tests(comparison, margin)
    found = differences.differences(comparison)
    titles = comparison.methods["title"]
    title = "the methods compared" if len(titles) > 1 else titles.iloc[0]
    lines = [f"# {comparison.scenario}: {title}", ""]
    if own:
        first = [one for one in own if one.role == own[0].role]
        lines += [*(f"- {text}" for text in own_network_section.sentences(comparison, first)), ""]
        lines += [own_network_section.note(first), ""]
    if len(found):
        lines += [*(f"- {text}" for text in differences.sentences(comparison, found)), ""]
        lines += [f"{_PRIMARY} {differences.interval_note(found)}", ""]
    lines += ["## Accuracy", "", *_accuracy(comparison)]
    for name, caption in captions.items():
        lines += ["", f"![{caption}]({name}.png)", "", f"*{caption}* ([SVG]({name}.svg))"]
    if comparison.sequential:
        lines += ["", "## Forgetting", "", *_forgetting(comparison)]
    if own:
        lines += ["", f"## {own_network_section.HEADING}", ""]
        lines += own_network_section.section(comparison, own)
    if comparison.variants:
        lines += ["", "## Variants of the DVN", "", *variants.section(comparison)]
    if comparison.others and len(titles) > 1:
        lines += ["", "## Differences", "", *_differences(comparison, found)]
    lines += ["", "## Cost", "", *markdown.table(*costs.cost_table(comparison))]
    lines += ["", costs.note(comparison)]
    lines += ["", "## Settings", "", *settings.section(comparison)]
    lines += ["", "## How to write this report", "", "```sh", command, "```", ""]
    lines += [f"All numbers of the runs are in [{_RUNS}]({_RUNS}), a row for each output."]
    return "\n".join(lines) + "\n"


def _accuracy(comparison: Comparison) -> list[str]:
    few = comparison.methods["seeds"].map(len) < MIN_SEEDS
    text = "Test accuracy in per cent: mean over seeds ± half the 95 % interval (Student's t)"
    if comparison.single_run:
        text = "Test accuracy in per cent"
    elif few.all():
        text = "Test accuracy in per cent of each seed"
    elif few.any():
        text += ", or of each seed where there are fewer than three"
    paper = comparison.paper
    if paper and len(paper.accuracies):
        text += (
            f"; in brackets the number that the paper prints in its {paper.source} "
            f"({paper.backbone}, N = 1). Settings lists how these runs differ"
        )
    elif paper:
        text += f". The paper shows this in {paper.source}, without numbers"
    text += (
        ". The size of an output is its share of the backbone's parameters. Where the tasks have "
        "different sizes, all are named"
    )
    lines = [f"{text}.", "", *markdown.table(*tables.accuracy_table(comparison))]
    if paper and comparison.scenario in _NOTES and not comparison.single_run:
        lines += ["", _NOTES[comparison.scenario]]
    return lines


def _differences(comparison: Comparison, found) -> list[str]:
    if not comparison.has_dvn:
        return ["There is no run of the DVN to compare the other methods to."]
    return [
        "### Primary comparison",
        "",
        "The average over the tasks: the DVN at its highest level minus the other method at its "
        "highest, in points of accuracy. The text at the top explains intervals and verdicts.",
        "",
        *markdown.table(*differences.primary_table(comparison, found)),
        "",
        "### Exploratory comparisons",
        "",
        f"Single tasks, and the DVN at its lowest level. {differences.exploratory_note(found)} "
        "Parameters are those of the two outputs in the paper's count.",
        "",
        *markdown.table(*differences.exploratory_table(comparison, found)),
        *differences.margins(found),
    ]


def _forgetting(comparison: Comparison) -> list[str]:
    found = forgetting.changes(comparison)
    if found.empty:
        return ["No run has the accuracy of an old task right after its own stage."]
    return [
        "An old task's test accuracy right after the stage that learned it, and at the end. A "
        "level that came later is compared to the highest level that the network had then.",
        "",
        *markdown.table(*forgetting.forgetting_table(comparison, found)),
    ]


def _summary(comparison: Comparison, margin: float) -> str:
    """A few lines for the terminal."""
    lines = [f"{comparison.scenario}: average test accuracy over {len(comparison.tasks)} tasks", ""]
    for method, level in comparison.levels:
        value = markdown.with_interval(comparison.accuracy(method, level, AVERAGE), unit=" %")
        seeds = markdown.seeds(comparison.methods.at[method, "seeds"])
        lines.append(f"  {comparison.level_title(method, level)}: {value} ({seeds})")
    own = non_inferiority.own_network_tests(comparison, margin)
    if own:
        lines += ["", *own_network_section.sentences(comparison, own), ""]
        lines += textwrap.wrap(own_network_section.note(own), 100)
    found = differences.differences(comparison)
    if len(found):
        lines += ["", *differences.sentences(comparison, found), ""]
        lines += textwrap.wrap(differences.interval_note(found), 100)
    if comparison.unfinished:
        lines += ["", *(f"not finished, left out: {run}" for run in comparison.unfinished)]
    return "\n".join(lines).rstrip()
