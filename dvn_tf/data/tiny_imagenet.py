"""Tiny-ImageNet as a TFDS dataset, read from the original archive.

Importing this module registers the name `tiny_imagenet` with TFDS.
"""

import contextlib
import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import tensorflow_datasets as tfds

from dvn_tf.data import preparation
from dvn_tf.errors import UserError

ARCHIVE = "tiny-imagenet-200.zip"
URL = f"http://cs231n.stanford.edu/{ARCHIVE}"

_ROOT = "tiny-imagenet-200"
_TRAINING_IMAGE = re.compile(rf"{_ROOT}/train/(n\d+)/images/([^/]+\.JPEG)")
_NUM_CLASSES = 200
_OLDER = "1.0.0"  # the same images and labels

# What reading a member of a damaged archive raises.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, OSError
)  # fmt: skip
_LARGEST = 2**24  # bytes of a member; the longest list has 2.7 million, an image some thousands


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
    """200 classes of ImageNet at 64 x 64 pixels.

    The archive is looked for in TFDS's manual folder (`DATA_DIR/downloads/manual/`), then in
    `DATA_DIR`, and downloaded if it is in neither. It is read without being unpacked. An archive
    with fewer images than the original will do, as long as its lists match them.

    Classes are numbered in the order of the archive's `wnids.txt`, which is not alphabetical, and
    named by the first of the words that `words.txt` has for them. The splits are `train` (500
    images a class) and `validation` (50 a class). The archive's `test` images have no labels and
    are left out. Some images are grey: they decode to three equal channels.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {  # noqa: RUF012 (TFDS's name)
        "1.1.0": "Classes are named by words instead of WordNet IDs; the rest is as before.",
        "1.0.0": "The archive as published.",
    }
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
                words = _read_lines(archive, "words.txt")
        except _DAMAGE as err:
            raise _damaged(path, err) from err
        if len(wnids) != _NUM_CLASSES:
            raise _damaged(path, f"wnids.txt lists {len(wnids)} classes, not {_NUM_CLASSES}")
        try:
            names = class_names(wnids, words)
        except KeyError as err:
            raise _damaged(path, f"words.txt has no name for {err.args[0]}") from err
        self.info.features["label"].names = names
        labels = {wnid: label for label, wnid in enumerate(wnids)}
        return {
            "train": self._generate_examples(path, _training_members, labels),
            "validation": self._generate_examples(path, _validation_members, labels),
        }

    def _local_archive(self, dl_manager) -> os.PathLike | None:
        folders = [self.data_dir_root]
        # TFDS raises this where the manual folder is absent or empty.
        with contextlib.suppress(AssertionError):
            folders.insert(0, dl_manager.manual_dir)
        return _find_archive(folders)

    def _generate_examples(self, path, list_members, labels):
        try:
            with zipfile.ZipFile(path) as archive:
                for member, wnid in list_members(archive):
                    name = member.rsplit("/", 1)[1]
                    image = io.BytesIO(_read(archive, member))
                    yield name, {"id": name, "image": image, "label": labels[wnid]}
        except _DAMAGE as err:
            raise _damaged(path, err) from err


def class_names(wnids: Sequence[str], words: Sequence[str]) -> list[str]:
    """Names the classes for people.

    Args:
        wnids: WordNet IDs of the classes.
        words: The lines of `words.txt`: an ID, a tab, and names with commas between them.

    Returns:
        The first name of each class, with its ID behind it where classes share that name.

    Raises:
        KeyError: If an ID is not in `words`.
    """
    names_of = dict(line.split("\t", 1) for line in words if "\t" in line)
    first = [names_of[wnid].split(",")[0].strip() for wnid in wnids]
    return [
        name if first.count(name) == 1 else f"{name} ({wnid})"
        for name, wnid in zip(first, wnids, strict=True)
    ]


def builder_at_hand(builder: tfds.core.DatasetBuilder) -> tfds.core.DatasetBuilder:
    """Falls back on version 1.0.0 where it is prepared and the archive is not there any more.

    Args:
        builder: The builder of the current version.

    Returns:
        The builder to use. Warns if that is the older one, which names classes by WordNet IDs.
    """
    folder = builder.data_dir_root
    if preparation.is_prepared(builder) or _find_archive([folder / "downloads/manual", folder]):
        return builder
    older = folder / builder.name / _OLDER
    if not (older / "dataset_info.json").exists():
        return builder
    warnings.warn(
        f"Tiny-ImageNet in {folder} was prepared by an earlier version, which names classes by "
        f"WordNet IDs: put {ARCHIVE} into that folder to prepare it with words.",
        stacklevel=2,
    )
    return tfds.builder_from_directory(older)


def _find_archive(folders) -> os.PathLike | None:
    found = next((folder / ARCHIVE for folder in folders if (folder / ARCHIVE).exists()), None)
    if found is not None and not os.path.isfile(found):
        raise UserError(f"{found} is no regular file: put the archive there.")
    return found


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
    return _read(archive, f"{_ROOT}/{member}").decode().splitlines()


def _read(archive: zipfile.ZipFile, member: str) -> bytes:
    size = archive.getinfo(member).file_size
    if size > _LARGEST:
        raise zipfile.BadZipFile(f"{member} unpacks to {size:,} bytes")
    return archive.read(member)


def _damaged(path, reason) -> UserError:
    return UserError(
        f"{path} is cut short or damaged ({reason}): delete it and download it again from {URL}."
    )
