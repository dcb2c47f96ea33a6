"""What a LiteRT file says of itself, in a zip archive after the network.

The manifest says the same. A file is refused if they differ, so that two files that somebody
exchanged, together with their entries in the manifest, are not served under each other's names.
"""

import dataclasses
import hashlib
import io
import struct
import zipfile
import zlib

from dvn_runtime.errors import UserError, shown
from dvn_runtime.files import parse_json
from dvn_runtime.manifest import ExportedNetwork, ExportedTask

DESCRIPTION_FILE = "description.json"
_LIMIT = 16 * 2**20  # bytes of the description; that of 20,000 classes has about 1 MB
_MOST_MEMBERS = 16
_DIRECTORY_LIMIT = 64 * 2**10  # bytes
_END = struct.Struct("<4s4H2LH")  # how every archive ends, if it has no comment


@dataclasses.dataclass(frozen=True)
class Description:
    """What a file says of itself.

    Attributes:
        values: the content of description.json.
        network_bytes: the size of the network, after which the archive begins.
    """

    values: dict
    network_bytes: int


def read_description(content: bytes) -> Description:
    """Reads the description in a LiteRT file.

    Args:
        content: the file.

    Raises:
        UserError: if there is none, or if its archive is damaged or too large.
    """
    try:
        _check_end(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if [member.filename for member in members].count(DESCRIPTION_FILE) != 1:
                raise UserError(f"its archive does not hold one {DESCRIPTION_FILE}")
            with archive.open(DESCRIPTION_FILE) as file:
                text = file.read(_LIMIT + 1)
    except UserError:
        raise
    # What zipfile raises for damaged and unusual archives.
    except (
        zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, LookupError, ValueError,
        RuntimeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise UserError(f"its archive is damaged: {error}") from None
    if len(text) > _LIMIT:
        raise UserError(f"its {DESCRIPTION_FILE} has more than {_LIMIT:,} bytes")
    values = parse_json(text, f"its {DESCRIPTION_FILE}")
    if not isinstance(values, dict):
        raise UserError(f"its {DESCRIPTION_FILE} is not a JSON object")
    return Description(values, min(member.header_offset for member in members))


def check_description(
    description: Description, content: bytes, network: ExportedNetwork, task: ExportedTask
) -> None:
    """Checks that a file says the same of itself as the manifest.

    Args:
        description: what the file says.
        content: the file.
        network: its entry in the manifest.
        task: its task.

    Raises:
        UserError: if they differ, or if the description is that of another network.
    """
    expected = {
        "task": network.task,
        "level": network.level,
        "input": {"dtype": network.dtype, "shape": list(task.image_shape), "range": [0, 255]},
        "output": network.output,
        "class_names": list(task.class_names),
    }
    for key, value in expected.items():
        found = description.values.get(key)
        if found != value or isinstance(found, bool):
            raise UserError(
                f"it says {key!r} is {shown(found)}, but the manifest says {shown(value)}"
            )
    described = description.values.get("network_sha256")
    # Exports of versions before 0.4 have no hash here; their entries have none either.
    if described is None and network.network_sha256 is None:
        return
    hashed = hashlib.sha256(memoryview(content)[: description.network_bytes]).hexdigest()
    if described != hashed or network.network_sha256 not in (None, hashed):
        raise UserError("its description is that of another network")


def _check_end(content: bytes) -> None:
    """Checks how the archive ends, before zipfile reads a directory of any length."""
    if len(content) < _END.size or content[-_END.size :][:4] != b"PK\5\6":
        raise UserError("it has no description: export it again")
    _, disk, first_disk, here, members, length, start, comment = _END.unpack(content[-_END.size :])
    whole = start + length + _END.size == len(content)
    large = content[-_END.size - 20 :][:4] == b"PK\6\7"  # a second directory, for large archives
    if (disk, first_disk, comment) != (0, 0, 0) or here != members or not whole or large:
        raise UserError("its archive is damaged")
    if not 1 <= members <= _MOST_MEMBERS or length > _DIRECTORY_LIMIT:
        raise UserError(f"its archive has {members} members, and at most {_MOST_MEMBERS} are read")
