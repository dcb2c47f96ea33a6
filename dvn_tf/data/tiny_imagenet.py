"""Tiny-ImageNet as a TFDS dataset, read from the original archive.

Importing this module registers the name `tiny_imagenet` with TFDS.
"""

import contextlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator

import tensorflow_datasets as tfds

from dvn_tf.errors import UserError

ARCHIVE = "tiny-imagenet-200.zip"
URL = f"http://cs231n.stanford.edu/{ARCHIVE}"

_ROOT = "tiny-imagenet-200"
_TRAINING_IMAGE = re.compile(rf"{_ROOT}/train/(n\d+)/images/([^/]+\.JPEG)")
_NUM_CLASSES = 200

# What reading a member of a damaged archive raises.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError)


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
    """200 classes of ImageNet at 64 x 64 pixels.

    The archive is looked for in TFDS's manual folder (`DATA_DIR/downloads/manual/`), then in
    `DATA_DIR`, and downloaded if it is in neither. It is read without being unpacked. An archive
    with fewer images than the original will do, as long as its lists match them.

    Classes are named by their WordNet IDs and numbered in the order of the archive's
    `wnids.txt`, which is not alphabetical. The splits are `train` (500 images a class) and
    `validation` (50 a class). The archive's `test` images have no labels and are left out.
    Some images are grey: they decode to three equal channels.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The archive as published."}  # noqa: RUF012 (TFDS's name)
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put {ARCHIVE}, from {URL}, into the data folder (--data_dir) "
        "or its subfolder downloads/manual."
    )
    # The archive travels over plain HTTP, so TFDS checks its size and hash.
    url_infos = {  # noqa: RUF012 (TFDS's name)
        URL: tfds.download.checksums.UrlInfo(
            size=248_100_043,
            checksum="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            filename=ARCHIVE,
        )
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="200 classes of ImageNet at 64 x 64 pixels.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="jpeg"),
                    # The names are known once the archive is.
                    "label": tfds.features.ClassLabel(num_classes=_NUM_CLASSES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="http://cs231n.stanford.edu/",
        )

    def _split_generators(self, dl_manager):
        path = self._local_archive(dl_manager) or dl_manager.download(URL)
        try:
            with zipfile.ZipFile(path) as archive:
                wnids = _read_lines(archive, "wnids.txt")
        except _DAMAGE as err:
            raise _damaged(path, err) from err
        if len(wnids) != _NUM_CLASSES:
            raise _damaged(path, f"wnids.txt lists {len(wnids)} classes, not {_NUM_CLASSES}")
        self.info.features["label"].names = wnids
        return {
            "train": self._generate_examples(path, _training_members),
            "validation": self._generate_examples(path, _validation_members),
        }

    def _local_archive(self, dl_manager) -> os.PathLike | None:
        folders = [self.data_dir_root]
        # TFDS raises this where the manual folder is absent or empty.
        with contextlib.suppress(AssertionError):
            folders.insert(0, dl_manager.manual_dir)
        candidates = (folder / ARCHIVE for folder in folders)
        return next((path for path in candidates if path.exists()), None)

    def _generate_examples(self, path, list_members):
        try:
            with zipfile.ZipFile(path) as archive:
                for member, wnid in list_members(archive):
                    name = member.rsplit("/", 1)[1]
                    image = io.BytesIO(archive.read(member))
                    yield name, {"id": name, "image": image, "label": wnid}
        except _DAMAGE as err:
            raise _damaged(path, err) from err


def _training_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """The training images and their WordNet IDs."""
    for member in archive.namelist():
        if match := _TRAINING_IMAGE.fullmatch(member):
            yield member, match[1]


def _validation_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """The validation images and their WordNet IDs."""
    for line in _read_lines(archive, "val/val_annotations.txt"):
        name, wnid = line.split("\t")[:2]  # the rest is a bounding box
        yield f"{_ROOT}/val/images/{name}", wnid


def _read_lines(archive: zipfile.ZipFile, member: str) -> list[str]:
    return archive.read(f"{_ROOT}/{member}").decode().splitlines()


def _damaged(path, reason) -> UserError:
    return UserError(
        f"{path} is cut short or damaged ({reason}): delete it and download it again from {URL}."
    )
