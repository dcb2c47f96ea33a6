"""With which settings the runs were trained, and how those differ from the paper's."""

from dvn_tf.comparison import markdown
from dvn_tf.comparison.paper import PaperScenario
from dvn_tf.comparison.runs import Comparison


def section(comparison: Comparison, paper: PaperScenario | None) -> list[str]:
    """The report's section of settings, as lines of Markdown.

    Args:
        comparison: the runs.
        paper: the paper's scenario, if it is one.
    """
    results = comparison.results
    lines = [
        f"{results['backbone']}, {results['epochs']} epochs, batches of {results['batch_size']} "
        "images, the same for every method.",
        "",
        *markdown.table(*_tasks(comparison, paper)),
        "",
    ]
    for method in comparison.methods.values():
        lines.append(f"- {method.title}: {markdown.seeds(method.seeds)}")
    single = [method.title for method in comparison.methods.values() if len(method.seeds) == 1]
    if single:
        lines += ["", f"With one seed there is no interval: {', '.join(single)}."]
    if comparison.unfinished:
        lines += ["", "Not finished, and left out (the same command goes on with each):", ""]
        lines += [f"- `{run}`" for run in comparison.unfinished]
    if paper:
        lines += ["", f"What differs from the paper's setting ({paper.source}):", ""]
        lines += [f"- {text}" for text in _deviations(comparison, paper)]
    return lines


def _tasks(comparison, paper) -> tuple[list[str], list[list[str]]]:
    head = ["task", "classes", "training images", "a class", "test images"]
    head += ["training images a class in the paper"] if paper else []
    rows = []
    for number, (task, values) in enumerate(comparison.tasks.items()):
        row = [
            f"{number + 1}: {task}",
            f"{values['classes']:,}",
            f"{values['train_images']:,}",
            _a_class(values["train_images"], values["classes"]),
            f"{values['test_images']:,}",
        ]
        if paper:
            row.append(_a_class(paper.train_images[number], paper.classes[number]))
        rows.append(row)
    return head, rows


def _deviations(comparison, paper) -> list[str]:
    results, found = comparison.results, []
    if results["backbone"] != paper.backbone:
        found.append(f"backbone: {results['backbone']}, in the paper {paper.backbone}")
    if paper.batch_size and results["batch_size"] != paper.batch_size:
        found.append(f"batch size: {results['batch_size']}, in the paper {paper.batch_size}")
    for number, (task, values) in enumerate(comparison.tasks.items()):
        classes, images = paper.classes[number], paper.train_images[number]
        if values["classes"] != classes:
            found.append(f"{task}: {values['classes']} classes, in the paper {classes}")
        if values["train_images"] != images:
            ours = _a_class(values["train_images"], values["classes"])
            found.append(
                f"{task}: {ours} training images a class ({values['train_images']:,}), in the "
                f"paper {_a_class(images, classes)} ({images:,})"
            )
    fewest = min(len(method.seeds) for method in comparison.methods.values())
    most = max(len(method.seeds) for method in comparison.methods.values())
    number = str(most) if fewest == most else f"{fewest} to {most}"
    found.append(f"seeds: {number}, in the paper one (N = 1, as far as it says)")
    found.append(f"epochs: {results['epochs']}; the paper does not give its number")
    return found


def _a_class(images: int, classes: int) -> str:
    return f"{images / classes:,.0f}"
