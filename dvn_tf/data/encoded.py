"""Images that are held encoded, or not at all, and decoded when they are asked for."""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from dvn_tf.data import images as image_tools
from dvn_tf.machine import num_cores

_SLICES = 4  # parts of a batch that each thread decodes: some images take longer than others


class EncodedImages(Protocol):
    """The images of a split, still encoded, of which any can be decoded at any time.

    Attributes:
        name: What a progress bar calls them.
        labels: int32 of shape (n,), in the dataset's own numbering.
        shape: (n, height, width, channels) of the decoded images.
        sizes: Bytes of each image while it is encoded, integers of shape (n,).
        random_access: Whether `decode` can read any image, so that none need be in memory.
    """

    name: str
    labels: np.ndarray
    shape: tuple[int, int, int, int]
    sizes: np.ndarray
    random_access: bool

    def chunks(
        self, contents: bool, locate: bool
    ) -> Iterator[tuple[Sequence[bytes] | None, np.ndarray]]:
        """Reads and decodes all images once, in order, some at a time.

        Args:
            contents: Whether the encoded images are wanted.
            locate: Whether `decode` will have to read images afterwards.

        Yields:
            The next images, encoded where they are wanted, and decoded, uint8 of shape
            (some, height, width, channels).

        Raises:
            UserError: If images are damaged, at the latest after the last one.
        """

    def decode(self, position: int, content: bytes | None = None) -> np.ndarray:
        """Decodes an image; several threads call it at a time.

        Args:
            position: Which image it is.
            content: The encoded image. None reads it from where it lies.

        Returns:
            uint8 of shape (height, width, channels).

        Raises:
            UserError: If it is damaged.
        """


class Packed:
    """Many byte strings in one array: a list of them would take twice the memory.

    Args:
        sizes: The bytes of each, integers of shape (n,).
    """

    def __init__(self, sizes: np.ndarray):
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._bytes = np.empty(int(self._ends[-1]) if len(sizes) else 0, np.uint8)

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Packed":
        """Packs byte strings that are in memory."""
        packed = cls(np.fromiter(map(len, items), np.int64, len(items)))
        packed.fill(0, items)
        return packed

    @property
    def nbytes(self) -> int:
        """Bytes of all strings."""
        return self._bytes.nbytes

    def __len__(self):
        return len(self._ends)

    def _slice(self, position) -> slice:
        return slice(int(self._ends[position - 1]) if position else 0, int(self._ends[position]))

    def fill(self, start: int, items: Iterable[bytes]) -> None:
        """Puts strings at consecutive positions.

        Args:
            start: The first position.
            items: The strings, of the sizes that were said.

        Raises:
            ValueError: If one has another size.
        """
        for position, item in enumerate(items, start):
            self._bytes[self._slice(position)] = np.frombuffer(item, np.uint8)

    def __getitem__(self, position: int) -> bytes:
        return self._bytes[self._slice(position)].tobytes()


class LazyImages:
    """Images that are decoded when they are asked for, to be used like a NumPy array.

    `images[3]`, `images[10:20]` and `images[positions]` decode these images in several threads;
    `numpy.asarray(images)` decodes all of them.

    Args:
        shape: (n, height, width, channels).
        decode: Function from a position to uint8 of shape (height, width, channels), which
            several threads call at a time.
        nbytes: Bytes of memory that they take.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        decode: Callable[[int], np.ndarray],
        nbytes: int,
    ):
        self.shape = shape
        self.nbytes = nbytes
        self._decode = decode

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, positions) -> np.ndarray:
        wanted = np.arange(len(self))[positions]
        if wanted.ndim == 0:
            return self._decode(int(wanted))
        # Batches for evaluation are filled up with one image many times.
        unique, place = np.unique(wanted, return_inverse=True)
        repeated = len(unique) < len(wanted)
        decoded = np.empty((len(unique), *self.shape[1:]), np.uint8)
        self._decode_into(decoded, unique if repeated else wanted)
        return decoded[place] if repeated else decoded

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        whole = image_tools.allocate(self.shape)
        self._decode_into(whole, np.arange(len(self)))
        return whole if dtype is None else whole.astype(dtype)

    def _decode_into(self, room: np.ndarray, positions: np.ndarray) -> None:
        def decode(part):
            for place in part:
                room[place] = self._decode(int(positions[place]))

        in_threads(decode, len(positions))


def in_threads(function: Callable[[range], object], count: int) -> None:
    """Does something with each of 0, 1, ... `count` - 1 in several threads.

    Decoders release Python's lock, so there is a thread for each core.

    Args:
        function: What to do with some consecutive numbers.
        count: How many numbers there are.
    """
    size = -(-count // (_SLICES * num_cores())) or 1
    parts = [range(start, min(start + size, count)) for start in range(0, count, size)]
    # The list raises what a thread raised.
    list(_threads_of(os.getpid()).map(function, parts))


@functools.lru_cache(1)
def _threads_of(process: int) -> concurrent.futures.ThreadPoolExecutor:
    """A forked process has none of its parent's threads, so it gets its own."""
    return concurrent.futures.ThreadPoolExecutor(num_cores(), thread_name_prefix="decode")
