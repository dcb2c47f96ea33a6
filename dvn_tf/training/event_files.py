"""TensorBoard's event files, written with TensorBoard's own package.

Its functions for this would import TensorFlow; these do not.
"""

import contextlib
import io
import pathlib
import re
import time
from collections.abc import Iterable

from dvn_tf.files import write_bytes, writing

_FILE = "events.out.tfevents.{}"
_NUMBERED = re.compile(re.escape(_FILE.format("")) + r"(\d+)")


class EventFile:
    """An event file that grows while a run trains.

    Every start of a run begins a new file, numbered from 1; TensorBoard reads the files of a
    folder in this order. What earlier starts wrote from `first_step` on is removed: the run was
    interrupted before a checkpoint of it was written.

    Args:
        folder: the folder, which gives the TensorBoard run its name.
        first_step: the first step that this file will hold.

    Attributes:
        first: whether it is the folder's first file.
    """

    def __init__(self, folder: pathlib.Path, first_step: int):
        numbers = {}
        for file in folder.iterdir():
            if match := _NUMBERED.fullmatch(file.name):
                numbers[int(match[1])] = file
        for file in numbers.values():
            _remove_from(file, first_step)
        number = max(numbers, default=0) + 1
        self.first = number == 1
        self._path = folder / _FILE.format(f"{number:04d}")
        with writing(self._path):
            self._file = self._path.open("xb")
        self._append([_version()])

    def write(self, summaries: Iterable[tuple]) -> None:
        """Writes pairs of a summary and its step, so that TensorBoard sees them at once."""
        self._append([_event(step, summary) for summary, step in summaries])

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _append(self, events: Iterable) -> None:
        with writing(self._path):
            try:
                self._file.write(_records(events))
                self._file.flush()
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.close()  # which tries to write what is left
                raise


def write_events(folder: pathlib.Path, name: str, summaries: Iterable[tuple]) -> None:
    """Writes an event file whole, in place of one of this name.

    Args:
        folder: the folder of the file.
        name: what the file's name ends with.
        summaries: pairs of a summary and its step.
    """
    events = [_event(step, summary) for summary, step in summaries]
    write_bytes(folder / _FILE.format(name), _records([_version(), *events]))


def tags_at(folder: pathlib.Path, step: int) -> set[str]:
    """The tags that the numbered files of a folder have at a step."""
    return {
        value.tag
        for file in folder.iterdir()
        if _NUMBERED.fullmatch(file.name)
        for event in _events(file)
        if event.step == step
        for value in event.summary.value
    }


def scalar(tag: str, value: float):
    """A number, for the SCALARS tab."""
    from tensorboard.plugins.scalar import metadata

    content = metadata.create_summary_metadata(display_name="", description="")
    return summary(tag, content, float(value), "float32")


def text(tag: str, markdown: str):
    """Markdown, for the TEXT tab."""
    from tensorboard.plugins.text import metadata

    return summary(tag, metadata.create_summary_metadata("", ""), markdown.encode())


def image(tag: str, png: bytes, caption: str = ""):
    """A PNG file, for the IMAGES tab."""
    from tensorboard.plugins.image import metadata

    # The image plugin's tensor: width and height as text, then the files (PNG's header has both).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    content = metadata.create_summary_metadata(display_name="", description=caption)
    return summary(tag, content, [str(width).encode(), str(height).encode(), png])


def summary(tag: str, metadata, value, dtype: str | None = None):
    """A value under a tag, as TensorBoard's plugins store it.

    Args:
        tag: the tag.
        metadata: what the plugin's `create_summary_metadata` gives.
        value: numbers or bytes.
        dtype: of numbers.
    """
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.util import tensor_util

    result = summary_pb2.Summary()
    tensor = tensor_util.make_tensor_proto(value, dtype=dtype)
    result.value.add(tag=tag, metadata=metadata, tensor=tensor)
    return result


def _version():
    from tensorboard.compat.proto import event_pb2

    # An event file begins with its version.
    return event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")


def _event(step: int, summary):
    from tensorboard.compat.proto import event_pb2

    event = event_pb2.Event(wall_time=time.time(), step=step)
    # A summary of TensorFlow's own class cannot be assigned to TensorBoard's.
    event.summary.MergeFromString(summary.SerializeToString())
    return event


def _records(events: Iterable) -> bytes:
    """What an event file holds of events."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    return content.getvalue()


def _remove_from(file: pathlib.Path, step: int) -> None:
    """Removes the events of a step and of those after it."""
    events = _events(file)
    kept = [event for event in events if event.step < step]
    if len(kept) < len(events):
        write_bytes(file, _records(kept))


def _events(file: pathlib.Path) -> list:
    """The events of a file, up to a record that was cut short."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    return list(LegacyEventFileLoader(str(file)).Load())
