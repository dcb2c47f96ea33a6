"""How much resident memory networks take, told from their files without running them.

What LiteRT holds follows from a network's structure: the file, the second copy of the weights that
XNNPACK packs, pointers to the pixels under each kernel, and the feature maps that are alive at
once. Few constants are left to fit. They were fitted to the resident memory of processes that ran
J1's, J2's and the quickstart's networks, float and int8; `python -m dvn_runtime.benchmark` shows
prediction and measurement side by side.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping

# What stays when the networks are freed: the pages of LiteRT's code that have run. They are read
# from its library, so the system may drop them and read them again.
# {format: {ways in which networks have run, packed or not: bytes}}.
Fixed = Mapping[str, Mapping[tuple[bool, ...], int]]
FIXED: Fixed = {
    "litert": {(False,): 3_100_000, (True,): 3_800_000, (False, True): 4_200_000},
    "litert_int8": {(False,): 3_500_000, (True,): 4_400_000, (False, True): 4_900_000},
}
# LiteRT's own records: for a network, and for each of its operations.
_RECORDS, _RECORD = 50_000, 3_000
_RECORDS_PACKED, _RECORD_PACKED = 20_000, 5_500
_POINTER = 8  # bytes
# Float kernels without XNNPACK copy blocks of the largest weights, and keep that room.
_BLOCK_SHARE, _MOST_BLOCKS, _MOST_BLOCKS_THREADED = 0.45, 2_500_000, 3_500_000
_INT8_SHARE = 1.4  # int8 kernels without XNNPACK copy the largest matrices that they multiply

_CONVOLUTION, _DENSE = 3, (4, 9)  # in `operators.OPERATORS`
_FLOAT, _INT8 = 0, 9  # kinds of tensors


@dataclasses.dataclass(frozen=True)
class NetworkMemory:
    """The resident memory that a network adds to a process, in bytes.

    Each way of running has two numbers: what it takes apart from the images, and what each image
    of a batch needs besides.

    Attributes:
        packed: with XNNPACK.
        packed_image: for each image.
        unpacked: with LiteRT's built-in kernels on one thread.
        unpacked_image: for each image.
        threaded: with the built-in kernels on several threads, which rearrange float weights.
        threaded_image: for each image.
    """

    packed: int
    packed_image: int
    unpacked: int
    unpacked_image: int
    threaded: int
    threaded_image: int

    def resident(self, packed: bool, num_threads: int = 1, batch_size: int = 1) -> int:
        """The bytes that the network adds.

        Args:
            packed: whether it runs with XNNPACK.
            num_threads: CPU threads.
            batch_size: images that run at once.
        """
        way = "packed" if packed else "unpacked" if num_threads == 1 else "threaded"
        return getattr(self, way) + batch_size * getattr(self, f"{way}_image")


def fixed_memory(format: str, ways: Collection[bool], fixed: Fixed = FIXED) -> int:
    """The bytes that LiteRT itself adds to a process once it has run networks.

    Args:
        format: the format of the networks.
        ways: how they have run: True for packed, False for unpacked, or both.
        fixed: what was measured; see `board.read_board` for other boards.
    """
    return fixed[format][tuple(sorted(set(ways)))] if ways else 0


def memory_facts(content: bytes) -> dict[str, int]:
    """How much memory a LiteRT file takes, for the key "memory" of its entry in a manifest.

    Args:
        content: the file, with the description that follows the network.

    Returns:
        The attributes of `NetworkMemory` by name.

    Raises:
        UserError: if the file has no description, or if its structure is not one that the
            exporter writes.
    """
    from dvn_runtime.description import read_description
    from dvn_runtime.structure import check_structure

    network = memoryview(content)[: read_description(content).network_bytes]
    return dataclasses.asdict(_network_memory(check_structure(network), len(content)))


def _network_memory(structure, file_bytes: int) -> NetworkMemory:
    tensors, operations = structure.tensors, structure.operations
    weights = pointers = 0
    float_weights = largest = 0  # bytes of all float kernels, and of the largest
    multiplied = 0  # the most bytes of int8 weights with the patches that they are multiplied by
    patches = {_FLOAT: {}, _INT8: {}}  # {kind: {position of an operation: bytes of its patches}}
    for position, operation in enumerate(operations):
        if operation.code != _CONVOLUTION and operation.code not in _DENSE:
            continue
        images, kernel = (tensors[number] for number in operation.inputs[:2])
        weights += sum(tensors[number].bytes for number in operation.inputs[1:])
        own = 0
        if operation.code == _CONVOLUTION:
            output = tensors[operation.outputs[0]].shape
            pixels, window = math.prod(output[1:-1]), math.prod(kernel.shape[1:-1])
            if window > 1 or images.shape[1:-1] != output[1:-1]:
                own = pixels * kernel.bytes // math.prod(kernel.shape[:1])
                patches.get(kernel.kind, {})[position] = own
                pointers += _POINTER * pixels * window
        if kernel.kind == _INT8:
            multiplied = max(multiplied, kernel.bytes + own)
        elif kernel.kind == _FLOAT and operation.code == _CONVOLUTION:
            float_weights += kernel.bytes
            largest = max(largest, kernel.bytes)
    most_float, most_int8 = (max(patches[kind].values(), default=0) for kind in (_FLOAT, _INT8))
    multiplied = int(_INT8_SHARE * multiplied)
    unpacked = file_bytes + _RECORDS + _RECORD * len(operations) + multiplied - most_int8
    blocks = int(_BLOCK_SHARE * largest)
    return NetworkMemory(
        packed=file_bytes + weights + pointers + _RECORDS_PACKED + _RECORD_PACKED * len(operations),
        packed_image=_most_alive(structure, {}),
        unpacked=max(unpacked + min(blocks, _MOST_BLOCKS), 0),
        unpacked_image=_most_alive(structure, patches[_FLOAT] | patches[_INT8]) + most_int8,
        threaded=max(unpacked + float_weights + min(blocks + most_float, _MOST_BLOCKS_THREADED), 0),
        threaded_image=_most_alive(structure, patches[_INT8]) + most_int8 + most_float // 5,
    )


def _most_alive(structure, working: dict[int, int]) -> int:
    """The most bytes that feature maps take at once.

    Args:
        structure: the network.
        working: {position of an operation: bytes that it needs besides while it runs}.
    """
    # {feature map: position of the last operation that reads it}
    ends = dict.fromkeys(structure.inputs, 0)
    for position, operation in enumerate(structure.operations):
        ends |= dict.fromkeys((*operation.inputs, *operation.outputs), position)
    alive = most = sum(structure.tensors[number].bytes for number in structure.inputs)
    freed = {}
    for number, end in ends.items():
        if not structure.tensors[number].constant:
            freed[end] = freed.get(end, 0) + structure.tensors[number].bytes
    for position, operation in enumerate(structure.operations):
        alive += sum(structure.tensors[number].bytes for number in operation.outputs)
        most = max(most, alive + working.get(position, 0))
        alive -= freed.get(position, 0)
    return most
