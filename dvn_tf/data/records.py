"""Where the images of a TFDS dataset lie in its TFRecord files, so that any can be read.

A TFRecord file can only be read from its start. A record is its length (8 bytes, the lowest first)
and the length's checksum (4 bytes), then the data and their checksum (4 bytes).
"""

import os
import struct
from collections.abc import Sequence

import numpy as np

_LENGTH = struct.Struct("<Q")
_BEFORE, _AFTER = 12, 4  # bytes around the data of a record


class Records:
    """The places of images, collected while all of them are read once in order.

    TensorFlow checks the checksums of the records in that pass.

    Args:
        folder: The folder of the files.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._files = {}  # {name: number}
        self._places = {}  # {name: offsets and lengths of the records of a file}
        self._found = []  # (file, offset, length) of each image, in arrays of many

    def add(self, ids: Sequence[bytes], contents: Sequence[bytes]) -> None:
        """Finds the next images.

        Args:
            ids: Of each image the file and the number of its record, as TFDS writes them:
                b"name__123".
            contents: The encoded images.

        Raises:
            ValueError: If an image is not in that record.
        """
        found = np.empty((len(ids), 3), np.int64)
        for row, (record_id, content) in enumerate(zip(ids, contents, strict=True)):
            name, _, number = os.fsdecode(record_id).rpartition("__")
            if name not in self._files:
                self._files[name] = len(self._files)
                self._places[name] = record_places(os.path.join(self._folder, name))
            start, length = self._places[name][int(number)]
            record = _read(os.path.join(self._folder, name), int(start), int(length))
            # The image lies in its record as it is, so nothing else of that need be parsed.
            found[row] = self._files[name], start + record.index(content), len(content)
        self._found.append(found)

    def packed(self) -> "RecordImages":
        """The places of all images that were added."""
        found = np.concatenate(self._found) if self._found else np.empty((0, 3), np.int64)
        return RecordImages([os.path.join(self._folder, name) for name in self._files], found)


class RecordImages:
    """Images in files, of which any can be read.

    Args:
        paths: The files.
        places: Of each image the number of its file, its offset and its length in bytes, int64
            of shape (n, 3).
    """

    def __init__(self, paths: Sequence[str], places: np.ndarray):
        self._paths = paths
        self._places = places

    def content(self, position: int) -> bytes:
        """Reads an image, still encoded.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is shorter than it was.
        """
        file, offset, length = self._places[position].tolist()
        return _read(self._paths[file], offset, length)


def record_places(path: str) -> np.ndarray:
    """Finds the records of a TFRecord file by their lengths alone.

    Args:
        path: The file.

    Returns:
        Offset and length in bytes of each record's data, int64 of shape (n, 2).

    Raises:
        ValueError: If the last record is cut off.
    """
    places, offset = [], 0
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        while offset < end:
            (length,) = _LENGTH.unpack(_at(file.fileno(), offset, _LENGTH.size, path))
            places.append((offset + _BEFORE, length))
            offset += _BEFORE + length + _AFTER
    if offset > end:
        raise ValueError(f"{path} is cut short")
    return np.array(places, np.int64).reshape(-1, 2)


def _read(path: str, offset: int, length: int) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return _at(file, offset, length, path)
    finally:
        os.close(file)


def _at(file: int, offset: int, length: int, path: str) -> bytes:
    found = os.pread(file, length, offset)
    if len(found) < length:
        raise ValueError(f"{path} is cut short")
    return found
