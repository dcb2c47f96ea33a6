"""Names in an ONNX graph, and what the graph says of itself in its standard properties."""

import itertools
import json
import re
from collections.abc import Mapping

import dvn_tf
from dvn_tf.export.metadata import in_words

_GENERATED = re.compile(r"__\d+")  # tf2onnx numbers names through the whole process
_PREFIX = "StatefulPartitionedCall/"
_PIXEL_FORMATS = {1: "Gray8", 3: "Rgb8"}


def rename(network) -> None:
    """Gives nodes and tensors names that depend on the network alone.

    Args:
        network: an ONNX `ModelProto`, changed in place. Its inputs and outputs keep their names.
    """
    graph = network.graph
    taken = {value.name for value in (*graph.input, *graph.output)}
    names = {"": "", **{name: name for name in taken}}  # an input that is left out has no name

    def renamed(name: str) -> str:
        if name not in names:
            names[name] = _free_name(name, taken)
        return names[name]

    nodes = set()
    for node in graph.node:
        node.name = _free_name(node.name, nodes)
        node.input[:] = map(renamed, node.input)
        node.output[:] = map(renamed, node.output)
    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
    order = {name: position for position, name in enumerate(names.values())}
    graph.initializer.sort(key=lambda tensor: order[tensor.name])


def describe(network, name: str, metadata: Mapping) -> None:
    """Names a graph and its batch dimension, and adds what is known of the network.

    The pixel format and range are the standard properties of images in ONNX's specification
    ("Metadata", docs/MetadataProps.md).

    Args:
        network: an ONNX `ModelProto`, changed in place.
        name: of the network.
        metadata: see `network_metadata`. Texts and numbers become properties as they are, the rest
            as JSON.
    """
    import onnx

    network.producer_name, network.producer_version = dvn_tf.__name__, dvn_tf.__version__
    network.graph.name = name
    network.doc_string = network.graph.doc_string = in_words(metadata)
    for value in (*network.graph.input, *network.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    properties = {
        key: str(value) if isinstance(value, str | int) else json.dumps(value)
        for key, value in metadata.items()
    }
    if pixel_format := _PIXEL_FORMATS.get(metadata["input"]["shape"][-1]):
        properties["Image.BitmapPixelFormat"] = pixel_format
    properties["Image.NominalPixelRange"] = "NominalRange_0_255"
    onnx.helper.set_model_props(network, properties)


def _free_name(name: str, taken: set[str]) -> str:
    """A name without what the conversion added, numbered if it is taken; it is taken then."""
    plain = _GENERATED.sub("", name).replace(_PREFIX, "")
    candidates = itertools.chain([plain], (f"{plain}_{n}" for n in itertools.count(2)))
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    return free
