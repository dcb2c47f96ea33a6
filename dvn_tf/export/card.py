"""README.md of an export folder: a model card, made from the manifest alone.

Its front matter is what model hubs read (Mitchell et al., "Model Cards for Model Reporting", FAT*
2019; the keys are those of Hugging Face's hub).
"""

import json
import os
import pathlib
from collections.abc import Mapping

from dvn_runtime.errors import printable
from dvn_tf.export.card_examples import example
from dvn_tf.files import write_text
from dvn_tf.markdown import table

CARD_FILE = "README.md"
_MARK = "<!-- Written by dvn_tf from manifest.json; the next export replaces this file. -->"
_MOST_NAMES = 20  # of classes, in a cell


def write_card(folder: pathlib.Path, manifest: Mapping) -> None:
    """Writes the card of an export folder, unless a README.md of somebody else is there.

    Args:
        folder: the export folder.
        manifest: the content of its manifest.

    Raises:
        UserError: if the file cannot be written.
    """
    path = folder / CARD_FILE
    if os.path.lexists(path) and not _is_ours(path):
        print(f"{path} was not written by dvn_tf, so it stays as it is.")
        return
    write_text(path, card_text(manifest))


def card_text(manifest: Mapping) -> str:
    """The card of an export.

    Args:
        manifest: the content of its manifest.

    Returns:
        Markdown with YAML front matter.
    """
    tasks, files = manifest["tasks"], manifest["files"]
    parts = [
        _front_matter(manifest),
        f"{_MARK}\n\n# {_cell(manifest['scenario'])}: {_many(tasks, 'task')}",
        "Every file is one virtual network of a deep virtual network: one task at one memory "
        "level. A lower level is a smaller network inside the higher one (Kim, Ahn, Torr and Oh, "
        "*Deep Virtual Networks for Memory Efficient Inference of Multiple Tasks*, CVPR 2019). "
        f"`manifest.json` has the SHA-256 of each. Backbone: {_cell(manifest['backbone'])}.",
        "## Tasks\n\n" + _table(_TASK_HEAD, _task_rows(manifest)),
    ]
    if files:
        parts.append(f"## Levels\n\n{_levels(manifest)}")
    if bundles := manifest.get("bundles"):
        parts.append(f"## Bundles\n\n{_table(_BUNDLE_HEAD, map(_bundle_row, bundles))}")
    parts.append(f"## Images\n\n{_images(tasks)}")
    parts.append(f"## How to run\n\n{_examples(manifest)}")
    parts.append(f"## How it was trained\n\n{_training(manifest)}")
    return "\n\n".join(parts) + "\n"


def _front_matter(manifest: Mapping) -> str:
    """YAML whose values are JSON, which is YAML as well."""
    formats = sorted({entry["format"] for entry in manifest["files"]})
    datasets = {
        task["dataset"].partition(":")[0] for task in _data(manifest).values() if task["dataset"]
    }
    measured = _measured(manifest)
    values = {
        "library_name": "keras" if "keras" in formats or not formats else formats[0],
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "multi-task-learning", "deep-virtual-network", *formats],
        "datasets": sorted(datasets - {"folder"}),
        "model-index": [{"name": manifest["scenario"], "results": measured}] if measured else [],
    }
    lines = (f"{key}: {json.dumps(value)}" for key, value in values.items() if value)
    return "\n".join(["---", *lines, "---"])


def _measured(manifest: Mapping) -> list[dict]:
    """The accuracies of a task's files, as hubs list results."""
    results = []
    for task in manifest["tasks"]:
        own = [e for e in manifest["files"] if e["task"] == task and e["accuracy"] is not None]
        metrics = [
            {"type": "accuracy", "value": entry["accuracy"], "name": f"accuracy of {entry['file']}"}
            for entry in own
        ]
        if metrics:
            dataset = {"name": task, "type": _dataset(manifest, task)}
            about = {"type": "image-classification"}
            results.append({"task": about, "dataset": dataset, "metrics": metrics})
    return results


_TASK_HEAD = ("task", "classes", "images", "trained on", "training images", "test images")


def _task_rows(manifest: Mapping):
    for name, task in manifest["tasks"].items():
        data = _data(manifest).get(name, {})
        height, width, _ = task["image_shape"]
        names = [_cell(each) for each in task["class_names"]]
        listed = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
        yield (
            _cell(name),
            f"{task['num_classes']}: {listed}" if names else task["num_classes"],
            f"{width} x {height}, {task.get('images', {}).get('colors', 'unknown colors')}",
            _dataset(manifest, name) + _some_classes(data.get("classes")),
            _number(data.get("train_images")),
            _number(data.get("test_images")),
        )


def _levels(manifest: Mapping) -> str:
    """One row a virtual network; accuracy and size of its file in each format."""
    files = {(e["task"], e["level"], e["format"]): e for e in manifest["files"]}
    formats = list(dict.fromkeys(format for _, _, format in files))
    head = ["task", "level", "multiply-adds", "parameters"]
    for format in formats:
        head += [f"{format}, accuracy", f"{format}, bytes"]
    rows = []
    for task, level in dict.fromkeys((task, level) for task, level, _ in files):
        own = {format: files.get((task, level, format)) for format in formats}
        first = next(entry for entry in own.values() if entry)
        row = [_cell(task), level, _number(first.get("multiply_adds"))]
        row.append(_number(first["parameters"]))
        for format, entry in own.items():
            drop = _drop(own, entry) if format == "litert_int8" else ""
            row += [_accuracy(entry) + drop, _number(entry and entry["bytes"])]
        rows.append(row)
    notes = ["Each accuracy was measured with that very file, on the test images of its task."]
    if "litert_int8" in formats:
        notes.append("In brackets: points lost to the float network of the same level.")
    return f"{_table(head, rows)}\n\n{' '.join(notes)}"


def _drop(own: Mapping, quantized: Mapping | None) -> str:
    """How many points of accuracy 8 bits cost, if it is known."""
    floats = [e for format, e in own.items() if format != "litert_int8" and e and e["accuracy"]]
    if not floats or quantized is None or quantized["accuracy"] is None:
        return ""
    return f" ({100 * (floats[0]['accuracy'] - quantized['accuracy']):+.2f})"


_BUNDLE_HEAD = ("folder", "signatures", "parameters", "bytes")


def _bundle_row(bundle: Mapping) -> tuple:
    signatures = [
        f"`{signature['signature']}` {_accuracy(signature)}".strip()
        for signature in bundle["signatures"]
    ]
    return (
        f"`{_cell(bundle['file'])}`",
        "<br>".join(signatures),
        _number(bundle["parameters"]),
        _number(bundle["bytes"]),
    )


def _images(tasks: Mapping) -> str:
    lines = [
        "Pixel values are 0 to 255, as they are: each network normalizes them itself. A batch has "
        "the axes (image, height, width, channel)."
    ]
    for name, task in tasks.items():
        facts = task.get("images")
        if facts:
            lines.append(f"- {_cell(name)}: {facts['colors']}; resize {facts['resize']}.")
    return "\n".join(lines[:1] + [""] * (len(lines) > 1) + lines[1:])


def _examples(manifest: Mapping) -> str:
    """How to run the first file of each format, and the first bundle."""
    first = {}
    for entry in [*manifest["files"], *manifest.get("bundles", [])]:
        first.setdefault((entry["format"], "signatures" in entry), entry)
    found = (example(entry, manifest["tasks"]) for entry in first.values())
    return "\n\n".join(text for text in found if text) or "See `manifest.json`."


def _training(manifest: Mapping) -> str:
    training = manifest.get("training", {})
    lines = [
        f"- Method: {_cell(training.get('title') or manifest['method'])}, seed {manifest['seed']}"
        + {True: ", one task after the other", False: ", all tasks at once"}.get(
            training.get("sequential"), ""
        )
        + "."
    ]
    if recipe := training.get("recipe"):
        facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in recipe.items())
        lines.append(f"- Recipe: SGD with Nesterov momentum; {facts}.")
    versions = {
        name: version
        for entry in manifest["files"]
        for name, version in entry.get("versions", {}).items()
    }
    if versions:
        stated = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"- Exported with {stated}.")
    lines.append(
        "- The networks know nothing but their task's classes: any other image is put into one of "
        "them, too."
    )
    return "\n".join(lines)


def _data(manifest: Mapping) -> Mapping:
    return manifest.get("training", {}).get("tasks", {})


def _dataset(manifest: Mapping, task: str) -> str:
    dataset = _data(manifest).get(task, {}).get("dataset") or "unknown"
    return "a folder of images" if dataset == "folder" else _cell(dataset)


def _some_classes(classes: list[int] | None) -> str:
    if not classes:
        return ""
    if classes == list(range(classes[0], classes[-1] + 1)):
        return f", its classes {classes[0]} to {classes[-1]}"
    return f", {len(classes)} of its classes"


def _table(head, rows) -> str:
    return "\n".join(table(head, [[str(cell) for cell in row] for row in rows]))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _accuracy(entry: Mapping | None) -> str:
    return "" if entry is None or entry["accuracy"] is None else f"{entry['accuracy']:.2%}"


def _many(things, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _cell(text) -> str:
    """Text of others in a cell or a line, where it may not act as Markdown or HTML."""
    escaped = "".join(f"\\{c}" if c in r"\`*_[]<>#&!~$" else c for c in str(text))
    return printable(escaped)


def _is_ours(path: pathlib.Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK.encode() in file.read(2**20)
