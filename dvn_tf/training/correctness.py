"""Which test images each output of a run classifies correctly: a bit an image.

The file `correct.json` lies beside a run's `results.json`:
{"task/level1": {"total": 10000, "bits": base64 of numpy.packbits}, ...}.
"""

import base64
import binascii
import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from dvn_runtime.files import JSON_LIMIT, parse_json, read_bytes
from dvn_tf.errors import UserError
from dvn_tf.files import write_text


def write_correctness(path: str | os.PathLike, correct: Mapping[str, np.ndarray]) -> None:
    """Writes the file, whole or not at all.

    Args:
        path: the file.
        correct: {name of an output: whether each test image is classified correctly, in the order
            of the test split}.
    """
    packed = {
        name: {
            "total": len(bits),
            "bits": base64.b64encode(np.packbits(bits).tobytes()).decode("ascii"),
        }
        for name, bits in correct.items()
    }
    write_text(pathlib.Path(path), json.dumps(packed))


def read_correctness(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the file.

    Args:
        path: the file.

    Returns:
        {name of an output: array of bool, one for each test image}.

    Raises:
        UserError: if the file is damaged.
    """
    try:
        packed = parse_json(read_bytes(pathlib.Path(path), JSON_LIMIT), "it")
        return {name: _unpacked(**entry) for name, entry in packed.items()}
    except (UserError, ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise UserError(f"{path} is damaged ({error}): delete it") from None


def _unpacked(total: int, bits: str) -> np.ndarray:
    packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    if type(total) is not int or len(packed) != -(-total // 8):
        raise ValueError(f"{len(packed)} bytes for {total!r:.20} images")
    return np.unpackbits(packed, count=total).astype(bool)
