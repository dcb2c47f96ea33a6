"""Structural mutants of LiteRT files: what somebody could write who knows the format."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_WORDS = (0, 1, 2, 4, 5, 100, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
_NUMBERS = (-(2**31), -1000, -2, -1, 0, 1, 2, 3, 5, 7, 100, 65_536, 2**24, 2**31 - 1)


def mutants(content: bytes, count: int, seed: int):
    """Yields mutants of a network, half with wrong words and half with wrong objects.

    Args:
        content: the network, without the archive after it.
        count: the number of mutants.
        seed: of the random choices.
    """
    rng = np.random.default_rng(seed)
    places = _structure(content)
    for position in range(count):
        yield (_wrong_words(content, places, rng) if position % 2 else _wrong_object(content, rng))


def _structure(content: bytes) -> np.ndarray:
    """The places of all bytes but weights: tables, offsets, shapes, and short constants."""
    inside = np.ones(len(content), bool)
    model = schema.Model.GetRootAs(content)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength() > 64:
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            inside[start : start + buffer.DataLength()] = False
    return np.flatnonzero(inside)


def _wrong_words(content: bytes, places: np.ndarray, rng) -> bytes:
    mutant = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        size = int(rng.choice([1, 2, 2, 4, 4, 4]))
        place = int(rng.choice(places)) // size * size
        old = int.from_bytes(mutant[place : place + size], "little")
        choices = [*_WORDS, old + 1, old - 1, old + 4, old - 4, old * 2, rng.integers(2**32)]
        new = int(rng.choice(choices)) % 256**size
        mutant[place : place + size] = new.to_bytes(size, "little")[: len(mutant) - place]
    return bytes(mutant)


def _wrong_object(content: bytes, rng) -> bytes:
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for _ in range(rng.choice([1, 1, 2])):
        while not _CHANGES[rng.integers(len(_CHANGES))](model, model.subgraphs[0], rng):
            pass
    builder = flatbuffers.Builder(len(content))
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except (TypeError, ValueError, OverflowError, AttributeError):
        return _wrong_object(content, rng)  # what cannot be written
    return bytes(builder.Output())


def _number(rng) -> int:
    return int(rng.choice(_NUMBERS)) if rng.random() < 0.7 else int(rng.integers(-5, 300))


def _one(items, rng):
    return items[rng.integers(len(items))]


def _change_list(values, rng):
    """A list of numbers with one of them changed, added or removed."""
    values = [] if values is None else [int(value) for value in values]
    way = rng.integers(5)
    if way == 0 or not values:
        return np.array([*values, _number(rng)], np.int32)
    if way == 1:
        return np.array(values[:-1], np.int32)
    if way == 2:
        return np.array(values[::-1], np.int32)
    values[rng.integers(len(values))] = _number(rng)
    return np.array(values, np.int32)


def _shape(model, graph, rng):
    tensor = _one(graph.tensors, rng)
    tensor.shape = _change_list(tensor.shape, rng)
    return True


def _signature_of_shape(model, graph, rng):
    tensor = _one(graph.tensors, rng)
    tensor.shapeSignature = _change_list(tensor.shapeSignature, rng)
    return True


def _type(model, graph, rng):
    _one(graph.tensors, rng).type = int(rng.integers(-1, 25))
    return True


def _buffer(model, graph, rng):
    limit = 2 * len(model.buffers)
    _one(graph.tensors, rng).buffer = int(rng.choice([0, 1, rng.integers(limit), 2**32 - 1]))
    return True


def _variable(model, graph, rng):
    _one(graph.tensors, rng).isVariable = True
    return True


def _inputs(model, graph, rng):
    operator = _one(graph.operators, rng)
    operator.inputs = _change_list(operator.inputs, rng)
    return True


def _input_of_another(model, graph, rng):
    operator = _one(graph.operators, rng)
    inputs = np.array(operator.inputs)
    inputs[rng.integers(len(inputs))] = rng.integers(len(graph.tensors))
    operator.inputs = inputs
    return True


def _outputs(model, graph, rng):
    operator = _one(graph.operators, rng)
    operator.outputs = _change_list(operator.outputs, rng)
    return True


def _output_of_another(model, graph, rng):
    _one(graph.operators, rng).outputs = np.array([rng.integers(len(graph.tensors))], np.int32)
    return True


def _operator_index(model, graph, rng):
    _one(graph.operators, rng).opcodeIndex = abs(_number(rng))
    return True


def _operator_code(model, graph, rng):
    code = _one(model.operatorCodes, rng)
    code.builtinCode = int(rng.integers(0, 215))
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    return True


def _operator_version(model, graph, rng):
    _one(model.operatorCodes, rng).version = _number(rng)
    return True


def _option(model, graph, rng):
    options = _one(graph.operators, rng).builtinOptions
    names = (
        [name for name, value in vars(options or ()).items() if isinstance(value, int)]
        if (options)
        else []
    )
    if not names:
        return False
    name = _one(names, rng)
    small = name in ("padding", "fusedActivationFunction", "keepDims")
    setattr(options, name, int(rng.integers(-1, 9)) if small else _number(rng))
    return True


def _options_of_another(model, graph, rng):
    one, other = _one(graph.operators, rng), _one(graph.operators, rng)
    one.builtinOptions, one.builtinOptionsType = other.builtinOptions, other.builtinOptionsType
    return True


def _no_options(model, graph, rng):
    operator = _one(graph.operators, rng)
    operator.builtinOptions, operator.builtinOptionsType = None, 0
    return True


def _kind_of_options(model, graph, rng):
    operator = _one(graph.operators, rng)
    if operator.builtinOptions is None:
        return False
    operator.builtinOptionsType = int(rng.integers(0, 130))
    return True


def _ports(model, graph, rng):
    name = _one(("inputs", "outputs"), rng)
    setattr(graph, name, _change_list(getattr(graph, name), rng))
    return True


def _quantization(model, graph, rng):
    quantization = _one(graph.tensors, rng).quantization
    if quantization is None or quantization.scale is None:
        return False
    way = rng.integers(4)
    if way == 0:
        factor = rng.choice([0, -1, np.nan, np.inf, 1e30, 1e-30])
        quantization.scale = (quantization.scale * factor).astype(np.float32)
    elif way == 1:
        quantization.scale = quantization.scale[:-1]
    elif way == 2:
        quantization.zeroPoint = np.array([_number(rng)], np.int64)
    else:
        quantization.quantizedDimension = _number(rng)
    return True


def _data(model, graph, rng):
    buffer = _one([b for b in model.buffers if b.data is not None and len(b.data)], rng)
    way = rng.integers(3)
    if way == 0:
        buffer.data = np.array(buffer.data[: rng.integers(len(buffer.data))])
    elif way == 1:
        buffer.data = np.concatenate([buffer.data, np.zeros(8, np.uint8)])
    else:
        buffer.data = None
    return True


def _constant(model, graph, rng):
    """A number in a short constant, such as paddings or the axes of a mean."""
    short = [b for b in model.buffers if b.data is not None and 0 < len(b.data) <= 64]
    short = [buffer for buffer in short if len(buffer.data) % 4 == 0]
    if not short:
        return False
    buffer = _one(short, rng)
    numbers = np.frombuffer(np.array(buffer.data).tobytes(), np.int32).copy()
    numbers[rng.integers(len(numbers))] = _number(rng)
    buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)
    return True


def _order(model, graph, rng):
    rng.shuffle(graph.operators)
    return True


def _missing_operator(model, graph, rng):
    del graph.operators[rng.integers(len(graph.operators))]
    return True


def _doubled_graph(model, graph, rng):
    model.subgraphs.append(graph)
    return True


def _signature(model, graph, rng):
    definition = model.signatureDefs[0]
    maps = _one((definition.inputs, definition.outputs), rng)
    maps[0].tensorIndex = abs(_number(rng))
    definition.subgraphIndex = int(rng.choice([0, 1, 2**31]))
    return True


_CHANGES = [
    _shape, _shape, _signature_of_shape, _type, _buffer, _variable, _inputs, _input_of_another,
    _outputs, _output_of_another, _operator_index, _operator_code, _operator_version, _option,
    _option, _options_of_another, _no_options, _kind_of_options, _ports, _quantization, _data,
    _constant, _constant, _order, _missing_operator, _doubled_graph, _signature,
]  # fmt: skip
