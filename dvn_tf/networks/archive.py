"""`.keras` files, looked over before Keras unpacks and builds what is in them.

Such a file may come from anywhere. A small one can declare gigabytes: members that unpack to zeros,
compressed or empty datasets, or a configuration of a huge network.
"""

import dataclasses
import io
import json
import math
import os
import pathlib
import stat
import zipfile

import h5py
import keras

from dvn_tf.errors import UserError, one_line
from dvn_tf.networks.accounting import costs
from dvn_tf.networks.legacy import current_config
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitPartition, UnitTable

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LARGEST_JSON = 4 * 2**20  # bytes; a network of six tasks has some thousands
_GROWTH = 4  # Keras stores without compression; another tool may have packed a file again


class ArchiveError(UserError):
    """Raised for a file that must not be unpacked; the message names it."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """What a `.keras` file declares.

    Attributes:
        config: how Keras builds the model, the content of config.json.
        weight_bytes: what all weights take in memory.
    """

    config: dict
    weight_bytes: int


def read_archive(file: str | os.PathLike) -> Archive:
    """Reads the configuration of a `.keras` file and the sizes of its weights, but no weight.

    Args:
        file: its path.

    Raises:
        ArchiveError: if it is no regular file, or declares more than a file of its size can hold.
        Exception: if it is damaged; zipfile, h5py and json each raise their own.
    """
    path = pathlib.Path(file)
    if path.suffix != ".keras" or not stat.S_ISREG(path.stat().st_mode):
        raise ArchiveError(f"{path} is no regular file whose name ends in .keras: name a network's")
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sorted(member.filename for member in members) != [_CONFIG, _METADATA, _WEIGHTS]:
            names = ", ".join(member.filename for member in members)
            raise ArchiveError(
                f"{path} has other members than those of a network ({one_line(names)}): it is not "
                "the file that it should be"
            )
        if sum(member.file_size for member in members) > _GROWTH * size or any(
            member.file_size > _LARGEST_JSON for member in members if member.filename != _WEIGHTS
        ):
            raise _grows(path)
        config = json.loads(archive.read(_CONFIG))
        weights = archive.read(_WEIGHTS)
    weight_bytes = _weight_bytes(path, weights)
    if weight_bytes > len(weights):
        raise _grows(path)
    return Archive(config, weight_bytes)


def check_weights(file: str | os.PathLike, archive: Archive) -> None:
    """Checks that a file has the weights of the network that it declares, before that is built.

    Raises:
        ArchiveError: if they are too few.
    """
    declared = arguments(archive.config["config"])
    names = ("tasks", "table", "backbone", "partition", "map_size", "heads")
    causal = declared.get("causal", False)  # which versions before 0.7 do not know
    found = costs(**{name: declared.get(name) for name in names}, causal=causal)
    # All weights of a virtual network are stored, in two bytes or more each.
    if archive.weight_bytes < 2 * max(cost.parameters for cost in found.values()):
        raise ArchiveError(
            f"{file} holds {archive.weight_bytes:,} bytes of weights, too few for the network that "
            "it declares: restore it"
        )


def arguments(config: dict, custom_objects: dict | None = None) -> dict:
    """The arguments of a `DeepVirtualNetwork` from what its `get_config` gave."""
    config = current_config(config)
    heads = config.pop("heads", {})
    return {
        "tasks": [TaskInfo(**task) for task in config.pop("tasks")],
        "table": UnitTable(config.pop("rows"), config.pop("num_units")),
        "backbone": keras.saving.deserialize_keras_object(config.pop("backbone"), custom_objects),
        "partition": UnitPartition(config.pop("fractions")),
        "dtype": keras.saving.deserialize_keras_object(config.pop("dtype")),
        "heads": {
            name: keras.saving.deserialize_keras_object(head, custom_objects)
            for name, head in heads.items()
        },
        **config,
    }


def _weight_bytes(path: pathlib.Path, weights: bytes) -> int:
    """The bytes of all datasets of an HDF5 file, by their declared shapes."""
    total = 0
    with h5py.File(io.BytesIO(weights)) as content:
        groups = [content]
        seen = set()
        while groups:
            group = groups.pop()
            for name in group:
                # A link may lead to another file, a dataset may lie in one.
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise _foreign(path)
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    raise _foreign(path)
                seen.add(address)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                if item.external or item.is_virtual or item.dtype.hasobject:
                    raise _foreign(path)
                total += math.prod(item.shape) * item.dtype.itemsize
    return total


def _grows(path: pathlib.Path) -> ArchiveError:
    return ArchiveError(
        f"{path} would unpack to much more than its size: it is not the file that it should be"
    )


def _foreign(path: pathlib.Path) -> ArchiveError:
    return ArchiveError(f"{path} refers to data elsewhere: it is not the file that it should be")
