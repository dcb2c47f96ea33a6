"""The report's figures, and the layout of charts for all runs, for TensorBoard."""

import pathlib
from collections.abc import Iterable

from dvn_tf.training.event_files import image, write_events
from dvn_tf.training.tensorboard import chart_layout


def write_comparison(log_dir, tasks: Iterable[str], figures_dir, captions: dict[str, str]) -> None:
    """Writes the report's figures, and the layout for all runs.

    Args:
        log_dir: an empty folder.
        tasks: the names of the scenario's tasks.
        figures_dir: where the figures' PNG files lie.
        captions: {name of a figure's files, without the ending: caption}.
    """
    summaries = [(chart_layout(tasks), 0)]
    for name, caption in captions.items():
        png = (pathlib.Path(figures_dir) / f"{name}.png").read_bytes()
        summaries.append((image(f"comparison/{name}", png, caption), 0))
    write_events(pathlib.Path(log_dir), "comparison", summaries)
