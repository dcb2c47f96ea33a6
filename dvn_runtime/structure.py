"""Checks the structure of a LiteRT file before the interpreter sees it.

The interpreter trusts much of what a file says: some files that somebody has written by hand
crash it. Refused here is what the exporter never writes: operators with side effects or code of
their own, tensors that nobody computes, constants of another size than their tensor, and indexes,
shapes and steps out of range. Fields are numbered as in LiteRT's schema,
https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs.
"""

import dataclasses
import math

import numpy as np

from dvn_runtime.errors import UserError
from dvn_runtime.flatbuffer import Table
from dvn_runtime.operators import BIASED, BROADCAST, LISTS, NEED_OPTIONS, OPERATORS, POSITIVE, SUMS

_VERSION = 3
_MOST = 20_000  # tensors, operators, buffers; ResNets of this project have some hundreds
_MOST_BYTES = 2**30  # of one tensor
_MOST_DIMENSIONS = 6

# {number of a type: (name, bytes of a value)}.
_TYPES = {
    0: ("float32", 4),
    2: ("int32", 4),
    3: ("uint8", 1),
    4: ("int64", 8),
    6: ("bool", 1),
    7: ("int16", 2),
    9: ("int8", 1),
}
_ZEROS = {3: (0, 255), 9: (-128, 127)}  # {type: the least and greatest zero point}; others: 0
_NEED_SCALES = {7, 9}
_LEAST_SCALE = 1e-20
_MOST_RATIO = 2**14  # of the scales that a sum reads to the one that it writes


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of a checked network.

    Attributes:
        shape: its shape, for a batch of one image.
        kind: its type, a key of LiteRT's schema: 0 is float32, 9 is int8.
        bytes: the size of its values.
        constant: whether the file holds its values.
    """

    shape: tuple[int, ...]
    kind: int
    bytes: int
    constant: bool


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operator of a checked network.

    Attributes:
        code: its operator, a key of `operators.OPERATORS`.
        inputs: the numbers of the tensors that it reads.
        outputs: the numbers of the tensors that it computes, which no other operation does.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Structure:
    """The tensors and operators of a checked network.

    Attributes:
        tensors: the tensors.
        operations: the operations, in the order in which they run.
        inputs: the numbers of the tensors that it reads; the images as a rule.
        outputs: the numbers of the tensors that it gives; the answers as a rule.
    """

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def check_structure(content: memoryview, inputs: int = 1, outputs: int = 1) -> Structure:
    """Checks a network in LiteRT's format.

    Args:
        content: the file, without the archive after it.
        inputs: how many tensors it must read.
        outputs: how many it must give.

    Returns:
        Its structure.

    Raises:
        UserError: if its structure is damaged, or is not one that the exporter writes.
    """
    if bytes(content[4:8]) != b"TFL3":
        raise UserError("it is not a LiteRT file")
    model = Table(content, int.from_bytes(content[:4], "little"), "the network")
    model.knows(10)
    if model.number(0, "I") != _VERSION or model.has(8, 9):
        raise UserError("it is not of the version of LiteRT's format that is read here")
    graphs = model.tables(2, "graph", 1)
    if not graphs:
        raise UserError("the network has no graph")
    return _Graph(model, graphs[0]).check(inputs, outputs)


class _Graph:
    """The tensors and operators of a network."""

    def __init__(self, model: Table, graph: Table):
        graph.knows(6)
        self._graph = graph
        self._codes = [_operator_code(code) for code in model.tables(1, "operator code", 500)]
        self._buffers = []
        for buffer in model.tables(4, "buffer", _MOST):
            buffer.knows(3)
            if buffer.has(1, 2):
                raise UserError(f"{buffer.name} lies outside the network")
            self._buffers.append(buffer.numbers(0, "u1"))
        self._tensors = graph.tables(0, "tensor", _MOST)
        self._checked: list[Tensor] = []
        self._scales: list[np.ndarray] = []  # of the tensors checked so far

    def check(self, inputs: int, outputs: int) -> Structure:
        for tensor in self._tensors:
            self._check_tensor(tensor)
        known = {number for number, tensor in enumerate(self._checked) if tensor.constant}
        starts = self._indexes(self._graph, 1, inputs)
        ends = self._indexes(self._graph, 2, outputs)
        if known & {*starts}:
            raise UserError("its input is a constant")
        if len({*starts}) < inputs or len({*ends}) < outputs:
            raise UserError("it names an input or output twice")
        known.update(starts)
        operators = self._graph.tables(3, "operator", _MOST)
        operations = tuple(self._check_operator(operator, known) for operator in operators)
        if not known >= {*ends}:
            raise UserError("nothing computes its output")
        return Structure(tuple(self._checked), operations, tuple(starts), tuple(ends))

    def _indexes(self, table: Table, field: int, count: int | None = 1) -> list[int]:
        """A list of tensors' numbers."""
        indexes = table.numbers(field, "i4")
        if count is not None and len(indexes) != count:
            raise UserError(f"{table.name} has {len(indexes)} tensors where {count} must be")
        if len(indexes) and not -1 <= indexes.min() <= indexes.max() < len(self._tensors):
            raise UserError(f"{table.name} names a tensor that is not there")
        return indexes.tolist()

    def _check_tensor(self, tensor: Table) -> None:
        tensor.knows(11)
        kind, index = tensor.number(1, "b"), tensor.number(2, "I")
        if kind not in _TYPES or index >= len(self._buffers) or tensor.has(6, 9, 10):
            raise UserError(f"{tensor.name} is of a kind that the exporter does not write")
        if tensor.number(5, "B"):
            raise UserError(f"{tensor.name} has a state")
        shape = tensor.numbers(0, "i4").tolist()
        size = math.prod(shape) * _TYPES[kind][1]
        if len(shape) > _MOST_DIMENSIONS or any(n < 1 for n in shape) or size > _MOST_BYTES:
            raise UserError(f"{tensor.name} has the shape {tuple(shape)!s:.60}")
        signature = tensor.numbers(7, "i4").tolist()
        fixed = [n if s != -1 else s for n, s in zip(shape, signature, strict=False)]
        if signature not in ([], fixed):
            raise UserError(f"{tensor.name} has two shapes")
        data = self._buffers[index]
        if len(data) not in (0, size):
            raise UserError(f"{tensor.name} has {len(data):,} bytes of data instead of {size:,}")
        self._checked.append(Tensor(tuple(shape), kind, size, len(data) > 0))
        self._scales.append(_check_quantization(tensor, shape, kind))

    def _check_operator(self, operator: Table, known: set[int]) -> Operation:
        """Checks an operator, and adds the tensors that it computes to the known ones."""
        operator.knows(14)
        code = operator.number(0, "I")
        if code >= len(self._codes) or operator.has(5, 7, 8, 9, 10, 12):
            raise UserError(f"{operator.name} is of a kind that the exporter does not write")
        code = self._codes[code]
        name, least, most, _ = OPERATORS[code]
        inputs, outputs = (self._indexes(operator, field, None) for field in (1, 2))
        if code in BIASED and inputs[-1:] == [-1]:
            del inputs[-1]
        if not least <= len(inputs) <= most or not outputs:
            raise UserError(f"{operator.name}, {name}, has {len(inputs)} inputs")
        if unknown := set(inputs) - known:
            raise UserError(f"{operator.name}, {name}, reads {min(unknown)}, which nobody computes")
        if -1 in outputs or len(set(outputs)) < len(outputs) or known & set(outputs):
            raise UserError(f"{operator.name}, {name}, writes what is there already")
        known.update(outputs)
        _check_options(operator, code)
        if code in BROADCAST:
            self._check_broadcast(operator.name, code, [*inputs, *outputs])
        return Operation(code, tuple(inputs), tuple(outputs))

    def _check_broadcast(self, name: str, code: int, tensors: list[int]) -> None:
        shapes = [self._checked[tensor].shape for tensor in tensors]
        try:
            fits = np.broadcast_shapes(*shapes[:-1]) == shapes[-1]
        except ValueError:
            fits = False
        if not fits or len({self._checked[tensor].kind for tensor in tensors}) > 1:
            raise UserError(f"{name} has tensors that do not fit together")
        scales = [self._scales[tensor] for tensor in tensors]
        if code in SUMS and all(map(len, scales)):
            *before, after = (float(scale.max()) for scale in scales)
            if max(before) > _MOST_RATIO * after:
                raise UserError(f"{name} has scales that do not fit together")


def _check_quantization(tensor: Table, shape: list[int], kind: int) -> np.ndarray:
    """Checks how a tensor is quantized; gives its scales, none if it is not."""
    quantization = tensor.table(4)
    if quantization is None:
        scales, zeros = np.empty(0), np.empty(0)
    else:
        quantization.knows(7)
        scales, zeros = quantization.numbers(2, "f4"), quantization.numbers(3, "i8")
        axis = quantization.number(6, "i")
        lengths = {0, 1, shape[axis] if 0 <= axis < len(shape) else 1}
        if len(scales) not in lengths or len(zeros) != len(scales) or quantization.has(5):
            raise UserError(f"{tensor.name} is quantized in an unknown way")
    if kind in _NEED_SCALES and not len(scales):
        raise UserError(f"{tensor.name} has no scale")
    least, most = _ZEROS.get(kind, (0, 0))
    if not ((scales > _LEAST_SCALE) & (scales < 1 / _LEAST_SCALE)).all():
        raise UserError(f"{tensor.name} has a scale out of range")
    if not ((zeros >= least) & (zeros <= most)).all():
        raise UserError(f"{tensor.name} has a zero point out of range")
    return scales


def _check_options(operator: Table, code: int) -> None:
    kind, options = operator.number(3, "B"), operator.table(4)
    name, _, _, expected = OPERATORS[code]
    if kind not in (0, expected) or (code in NEED_OPTIONS and options is None):
        raise UserError(f"{operator.name}, {name}, has no options, or another's")
    if options is None or not kind:
        return
    if kind in LISTS:
        options.numbers(LISTS[kind], "i4")
    for field, default in POSITIVE.get(kind, {}).items():
        if not 1 <= options.number(field, "i", default) <= 2**16:
            raise UserError(f"{operator.name}, {name}, has a step or window out of range")


def _operator_code(table: Table) -> int:
    table.knows(4)
    # Numbers above 127 stand in the newer of the two fields.
    code = max(table.number(0, "b"), table.number(3, "i"))
    if code not in OPERATORS or table.has(1):
        raise UserError(f"its operator {code} is not one that the exporter writes")
    return code
