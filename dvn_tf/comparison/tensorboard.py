"""The report's figures, and the layout of charts for all runs, for TensorBoard."""

import pathlib
from collections.abc import Iterable

from dvn_tf.training.tensorboard import chart_layout, write_events


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
        summaries.append((_image(f"comparison/{name}", png, caption), 0))
    write_events(pathlib.Path(log_dir), "comparison", summaries)


def _image(tag: str, png: bytes, caption: str):
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.image import metadata
    from tensorboard.util import tensor_util

    # The image plugin's tensor: width and height as text, then the files (PNG's header has both).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    parts = [str(width).encode(), str(height).encode(), png]
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=tag,
        metadata=metadata.create_summary_metadata(display_name="", description=caption),
        tensor=tensor_util.make_tensor_proto(parts),
    )
    return summary
