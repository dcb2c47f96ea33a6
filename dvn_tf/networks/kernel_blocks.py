"""Blocks of a kernel: the rows and columns that some units read and compute."""

from keras import ops

from dvn_tf.units import Intervals


def take_channels(x, intervals: Intervals, axis: int):
    """Takes channel intervals of a tensor along an axis; one interval is one plain slice."""
    if intervals == ((0, x.shape[axis]),):
        return x
    before = (slice(None),) * axis
    parts = [x[(*before, slice(start, stop))] for start, stop in intervals]
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=axis)


def take_block(kernel, rows: Intervals, columns: Intervals):
    """The part of a kernel (size, size, in, out) at some input rows and output columns."""
    if len(rows) == len(columns) == 1:  # intervals of units: a single slice does it
        return kernel[:, :, slice(*rows[0]), slice(*columns[0])]
    return take_channels(take_channels(kernel, rows, axis=2), columns, axis=3)


def locate(small: Intervals, large: Intervals) -> Intervals:
    """Where the intervals `small` lie in a tensor that has just the channels of `large`."""
    located = []
    for start, stop in small:
        offset = 0
        for a, b in large:
            if a <= start and stop <= b:
                located.append((offset + start - a, offset + stop - a))
            offset += b - a
    return tuple(located)


def inside(small: Intervals, large: Intervals) -> bool:
    """Whether each of some intervals lies in one of others."""
    return all(any(a <= start and stop <= b for a, b in large) for start, stop in small)


def area(blocks: tuple[Intervals, Intervals]) -> tuple:
    """Orders blocks by their size; blocks of one size by where they are."""
    rows, columns = (sum(stop - start for start, stop in intervals) for intervals in blocks)
    return rows * columns, blocks
