"""Finishes a network that TensorFlow's converter has written, for the programs that load it."""

from collections.abc import Mapping

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from dvn_tf.export.litert_metadata import METADATA_NAME, metadata_buffer
from dvn_tf.export.metadata import LABELS_FILE, in_words

_ALIGNMENT = 16  # bytes, of a buffer's data; the schema demands it


def finished(network: bytes, name: str, metadata: Mapping, softmax: bool = False) -> bytes:
    """A network as other programs want it.

    - Batches have a fixed size, 1: LiteRT.js refuses others. `resize_tensor_input` changes it.
    - TensorFlow Lite Metadata says how images go in and what comes out: MediaPipe needs it.

    Args:
        network: what the converter gave.
        name: the network's name.
        metadata: see `dvn_tf.export.metadata.network_metadata`.
        softmax: whether to turn logits into the probabilities that `metadata` promises. In float:
            the converter's own softmax in 8 bits would round them to multiples of 1/256.

    Returns:
        The finished flatbuffer.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(network))
    [graph] = model.subgraphs
    for tensor in graph.tensors:
        tensor.shapeSignature = None
    if softmax:
        _append_softmax(model, graph, metadata["output"])
    model.description = in_words(metadata)
    content = metadata_buffer(name, model.description, metadata, LABELS_FILE)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, _add_buffer(model, content)
    model.metadata = [*(model.metadata or []), entry]
    model.buffers = [AlignedBuffer(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(len(network) + 2**16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _append_softmax(model, graph, name: str) -> None:
    """Adds a softmax after the only output of a graph."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SOFTMAX
    code.version = 1
    model.operatorCodes.append(code)
    [logits] = graph.outputs
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, graph.tensors[logits].shape
    tensor.type, tensor.buffer = schema.TensorType.FLOAT32, _add_buffer(model, None)
    graph.tensors.append(tensor)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [int(logits)], [len(graph.tensors) - 1]
    operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    operator.builtinOptions = schema.SoftmaxOptionsT()
    operator.builtinOptions.beta = 1.0
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    for signature in model.signatureDefs:
        [output] = signature.outputs
        output.name, output.tensorIndex = name, operator.outputs[0]


def _add_buffer(model, content: bytes | None) -> int:
    buffer = schema.BufferT()
    buffer.data = None if content is None else np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


class AlignedBuffer(schema.BufferT):
    """A buffer whose data is aligned, which the generated class leaves out in Python."""

    def __init__(self, buffer: schema.BufferT):
        super().__init__()
        vars(self).update(vars(buffer))

    def Pack(self, builder: flatbuffers.Builder) -> int:
        if self.data is not None:
            # What is written next begins where this ends, so its length decides the alignment.
            builder.Prep(_ALIGNMENT, len(self.data))
        return super().Pack(builder)
