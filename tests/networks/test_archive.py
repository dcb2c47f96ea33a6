"""Crafted `.keras` files: refused in one line, before they take memory or wait for anything."""

import io
import json
import os
import resource
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.networks.network import DeepVirtualNetwork, load_network

_GIGABYTES = 10**11


@pytest.fixture
def file(built, tmp_path):
    path = tmp_path / "model.keras"
    built("plain ResNet, a 1 x 1 table").save(path)
    assert type(load_network(path)) is DeepVirtualNetwork
    return path


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, contents, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def with_weights(path, change):
    """Changes the HDF5 file inside."""
    contents = members(path)
    image = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(image, "r+") as weights:
        change(weights)
    packed(path, contents | {"model.weights.h5": image.getvalue()})


def with_config(path, change):
    contents = members(path)
    config = json.loads(contents["config.json"])
    change(config["config"])
    packed(path, contents | {"config.json": json.dumps(config)})


def first_dataset(weights) -> str:
    found = []
    weights.visititems(lambda n, item: found.append(n) if hasattr(item, "shape") else None)
    return found[0]


def replaced(path, **options):
    def change(weights):
        name = first_dataset(weights)
        del weights[name]
        weights.create_dataset(name, dtype="float32", **options)

    with_weights(path, change)


def zip_bomb(path):
    zeros = members(path) | {"model.weights.h5": bytes(200 * 2**20)}
    packed(path, zeros, compression=zipfile.ZIP_DEFLATED)


def huge_config(path):
    packed(path, members(path) | {"config.json": b" " * 5 * 2**20 + members(path)["config.json"]})


def deep_config(path):
    packed(path, members(path) | {"config.json": b"[" * 10**6 + b"]" * 10**6})


def other_member(path):
    packed(path, members(path) | {"assets/../../outside": b"text"})


def doubled_member(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")


def compressed_zeros(path):
    shape = (_GIGABYTES // 4,)
    replaced(path, shape=shape, chunks=(2**20,), compression="gzip", fillvalue=0)


def empty_dataset(path):
    replaced(path, shape=(_GIGABYTES // 4,))


def external_dataset(path):
    replaced(path, shape=(4,), external=[("/etc/hostname", 0, 16)])


def external_link(path):
    with_weights(path, lambda weights: weights.update({"a": h5py.ExternalLink("/etc/x", "/b")}))


def circle(path):
    with_weights(path, lambda weights: weights["layers"].update({"again": weights["/"]}))


def huge_backbone(path):
    def widen(config):
        config["backbone"]["config"]["base_width"] = 10**5

    with_config(path, widen)


def many_classes(path):
    with_config(path, lambda config: config["tasks"][0].update(num_classes=10**9, class_names=[]))


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def folder(path):
    path.unlink()
    path.mkdir()


def endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


SPOILS = [
    zip_bomb, huge_config, deep_config, other_member, doubled_member, compressed_zeros,
    empty_dataset, external_dataset, external_link, circle, huge_backbone, many_classes, pipe,
    folder, endless,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_one_line_and_little_memory(spoil, file):
    spoil(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as raised:
        load_network(file)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # kilobytes


def test_other_endings_are_not_opened(file):
    shutil.copy(file, file.with_suffix(".h5"))
    with pytest.raises(UserError, match=r"name ends in \.keras"):
        load_network(file.with_suffix(".h5"))


def test_a_file_that_was_packed_again_is_read(file):
    weights = load_network(file).get_weights()
    packed(file, members(file), compression=zipfile.ZIP_DEFLATED)
    for value, expected in zip(load_network(file).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
