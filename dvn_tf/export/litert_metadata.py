"""TensorFlow Lite Metadata: what MediaPipe and other programs read in a `.tflite` file.

It is a flatbuffer of its own, in a buffer of the network's. Fields are numbered as in its schema,
https://github.com/tensorflow/tflite-support/blob/master/tensorflow_lite_support/metadata/metadata_schema.fbs
"""

from collections.abc import Callable, Mapping, Sequence

import flatbuffers
from flatbuffers.number_types import Float32Flags, Int8Flags, UOffsetTFlags

METADATA_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_IMAGE, _NORMALIZATION, _AXIS_LABELS = 2, 1, 2  # members of unions and enums
_COLORS = {"RGB": 1, "grey": 2}


def metadata_buffer(name: str, description: str, metadata: Mapping, labels_file: str) -> bytes:
    """The metadata of a network that classifies images.

    Args:
        name: the network's name.
        description: what a person who has only the file must know.
        metadata: see `dvn_tf.export.metadata.network_metadata`.
        labels_file: name of the file with class names in the archive after the network; it is
            named only if the classes have names.

    Returns:
        The content of the buffer `METADATA_NAME`.
    """
    writer = _Writer()
    low, high = metadata["input"]["range"]
    # Networks take pixels as they are: mean 0 and deviation 1 change nothing.
    identity = writer.table((0, writer.floats([0.0])), (1, writer.floats([1.0])))
    image = writer.table((0, Int8Flags, _COLORS.get(metadata["images"]["colors"], 0)))
    images = writer.table(
        (0, writer.text("images")),
        (1, writer.text(f"pixel values {low} to {high}, {metadata['images']['colors']}")),
        (3, writer.table((0, Int8Flags, _IMAGE), (1, image))),
        (4, writer.list([writer.table((0, Int8Flags, _NORMALIZATION), (1, identity))])),
        (5, writer.table((0, writer.floats([float(high)])), (1, writer.floats([float(low)])))),
    )
    answers = [(0, writer.text(metadata["output"])), (1, writer.text("one number a class"))]
    if metadata["class_names"]:
        labels = writer.table((0, writer.text(labels_file)), (2, Int8Flags, _AXIS_LABELS))
        answers.append((6, writer.list([labels])))
    graph = writer.table((2, writer.list([images])), (3, writer.list([writer.table(*answers)])))
    version = metadata["versions"]["dvn_tf"]
    return writer.finish(
        (0, writer.text(name)),
        (1, writer.text(description)),
        (2, writer.text(f"dvn_tf {version}")),
        (3, writer.list([graph])),
    )


class _Writer:
    """Writes tables of a flatbuffer; what a table holds is written before it."""

    def __init__(self):
        self._builder = flatbuffers.Builder()

    def text(self, text: str) -> int:
        """Writes a text; gives its place."""
        return self._builder.CreateString(text)

    def floats(self, values: Sequence[float]) -> int:
        """Writes a list of numbers; gives its place."""
        return self._vector(values, Float32Flags.bytewidth, self._builder.PrependFloat32)

    def list(self, places: Sequence[int]) -> int:
        """Writes a list of tables; gives its place."""
        put = self._builder.PrependUOffsetTRelative
        return self._vector(places, UOffsetTFlags.bytewidth, put)

    def table(self, *fields: tuple) -> int:
        """Writes a table.

        Args:
            *fields: (number, place of a text, list or table), or (number, type, value).

        Returns:
            Its place.
        """
        self._builder.StartObject(max(number for number, *_ in fields) + 1)
        for number, *value in fields:
            if len(value) == 1:
                self._builder.PrependUOffsetTRelativeSlot(number, value[0], 0)
            else:
                self._builder.PrependSlot(value[0], number, value[1], 0)
        return self._builder.EndObject()

    def finish(self, *fields: tuple) -> bytes:
        """Writes the root table, and gives the flatbuffer."""
        self._builder.Finish(self.table(*fields), file_identifier=_IDENTIFIER)
        return bytes(self._builder.Output())

    def _vector(self, values: Sequence, width: int, put: Callable) -> int:
        self._builder.StartVector(width, len(values), width)
        for value in reversed(values):
            put(value)
        return self._builder.EndVector()
