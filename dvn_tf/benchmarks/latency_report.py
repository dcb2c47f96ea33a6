"""The latency report: the figures of `latency.measure_task` as Markdown and as a picture."""

import itertools
import pathlib

from dvn_tf.export.formats import FORMATS
from dvn_tf.figures import COLOURS, agg_figure
from dvn_tf.files import atomic_file, write_json, write_text
from dvn_tf.markdown import table as markdown_table


def write_latency_report(folder: pathlib.Path, figures: dict, title: str) -> str:
    """Writes latency.json, latency.md and latency.png.

    Args:
        folder: the folder to write to.
        figures: what `measure_task` returned.
        title: title of the report.

    Returns:
        The Markdown.
    """
    text = markdown(figures, title)
    write_json(folder / "latency.json", figures)
    write_text(folder / "latency.md", text)
    draw(folder / "latency.png", figures, title)
    return text


def markdown(figures: dict, title: str) -> str:
    """Two kinds of Markdown tables: what each level costs, and its speed in each format."""
    machine, batch = figures["machine"], figures["batch_size"]
    threads, (height, width, _) = figures["threads"], figures["image_shape"]
    lines = [
        f"# {title}",
        "",
        f"Task {figures['task']}, {figures['backbone']}, images of {height} x {width} pixels. "
        f"{machine['processor']}, {threads} CPU thread{'s' * (threads > 1)}, TensorFlow "
        f"{machine['tensorflow']}, Keras {machine['keras']}. All files timed in turn in one run, "
        f"{figures['rounds']} times each, warm: median (quartiles). Memory is that of a process "
        "that runs just this file at one thread, in brackets without the runtime itself.",
        "",
    ]
    lines += markdown_table(
        (
            "level",
            "units",
            "parameters",
            "paper's count",
            "density",
            "compression",
            "multiply-adds",
        ),
        [
            (
                str(level["level"]),
                " ".join(map(str, level["units"])),
                f"{level['parameters']:,}",
                f"{level['parameters_paper']:,}",
                f"{level['density']:.1%}",
                f"{level['compression']:.1f}x",
                f"{level['multiply_adds'] / 1e6:,.1f}M",
            )
            for level in figures["levels"]
        ],
    )
    for name in _formats(figures):
        head = ("level", "file", "peak memory", "one image, ms", "speed-up")
        head += (f"batch of {batch}, ms", "speed-up", "time over Keras's own export")
        rows = [_row(level["level"], level["runtimes"][name]) for level in figures["levels"]]
        lines += ["", f"## {FORMATS[name].title}", "", *markdown_table(head, rows)]
    return "\n".join(lines) + "\n"


def draw(path: pathlib.Path, figures: dict, title: str) -> None:
    """Draws time and speed-up over the levels, one line for each format."""
    levels = [level["level"] for level in figures["levels"]]
    figure = agg_figure(figsize=(9, 3.6), layout="constrained")
    times, speeds = figure.subplots(1, 2)
    for name, colour in zip(_formats(figures), itertools.cycle(COLOURS.values()), strict=False):
        singles = [level["runtimes"][name]["single"] for level in figures["levels"]]
        low, middle, high = zip(*(single["milliseconds"] for single in singles), strict=True)
        label = FORMATS[name].title
        times.plot(levels, middle, "o-", color=colour, label=label)
        times.fill_between(levels, low, high, color=colour, alpha=0.2, linewidth=0)
        speeds.plot(levels, [s["speed_up"] for s in singles], "o-", color=colour, label=label)
    compression = [level["compression"] for level in figures["levels"]]
    speeds.plot(levels, compression, "k--", linewidth=1, label="compression")
    times.set_ylabel("one image, ms (median, quartiles)")
    speeds.set_ylabel("times faster than the full level")
    for axes in (times, speeds):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(levels)
        axes.set_xlabel("level")
        axes.grid(alpha=0.3)
    speeds.legend(frameon=False)
    figure.suptitle(title)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _formats(figures: dict) -> list[str]:
    return list(figures["levels"][0]["runtimes"])


def _row(level: int, figures: dict) -> tuple[str, ...]:
    single, batch, memory = figures["single"], figures["batch"], figures["memory"]
    ratio = single["over_keras_export"]
    return (
        str(level),
        f"{figures['bytes'] / 1e6:.2f} MB",
        f"{memory['peak'] / 1e6:.0f} ({memory['network'] / 1e6:.0f}) MB" if memory else "unknown",
        _time(single),
        f"{single['speed_up']:.2f}x",
        _time(batch),
        f"{batch['speed_up']:.2f}x",
        f"{ratio:.2f}" if ratio else "",
    )


def _time(figures: dict) -> str:
    low, middle, high = figures["milliseconds"]
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
