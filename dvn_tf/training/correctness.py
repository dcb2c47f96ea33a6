"""Which test images each output classified correctly: a bit an image, in correct.json of a run.

Counts tell how good an output is. That two outputs of different methods see the same images, and
err on many of the same ones, only their bits tell.
"""

import base64
import binascii
import os
from collections.abc import Mapping

import numpy as np

from dvn_runtime.files import read_json
from dvn_tf.errors import UserError
from dvn_tf.files import write_json
from dvn_tf.training.schema import mismatch

_FORM = {"*": {"total": int, "bits": str}}  # "<task>/level<l>"


def write_correctness(path: str | os.PathLike, correct: Mapping[str, np.ndarray]) -> None:
    """Writes the file.

    Args:
        path: its path.
        correct: {output: bool (test images,)}, in the order of the test split.
    """
    write_json(
        path,
        {
            name: {
                "total": len(values),
                "bits": base64.b64encode(np.packbits(values).tobytes()).decode("ascii"),
            }
            for name, values in correct.items()
        },
    )


def read_correctness(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """What `write_correctness` wrote.

    Args:
        path: the file.

    Returns:
        {output: bool (test images,)}.

    Raises:
        UserError: if the file is damaged.
    """
    content = read_json(path)
    damage = mismatch(content, _FORM)
    if damage:
        raise _damaged(path, damage)
    return {name: _bits(path, name, **entry) for name, entry in content.items()}


def _bits(path, name: str, total: int, bits: str) -> np.ndarray:
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        raise _damaged(path, f"the bits of {name!r} are not base64") from None
    if not 0 <= total <= 8 * len(packed) < total + 8:
        raise _damaged(path, f"{len(packed)} bytes of bits for the {total} images of {name!r}")
    return np.unpackbits(packed, count=total).astype(bool)


def _damaged(path, damage: str) -> UserError:
    return UserError(
        f"{path} is damaged ({damage}): delete it and results.json, and the run's command writes "
        "both again"
    )
