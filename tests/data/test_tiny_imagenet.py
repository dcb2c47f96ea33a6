import dataclasses
import functools
import hashlib
import http.server
import io
import random
import shutil
import threading
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from dvn_tf.data import Task, load, tiny_imagenet
from dvn_tf.errors import UserError

ROOT = "tiny-imagenet-200"


def jpeg(value, mode="RGB"):
    buffer = io.BytesIO()
    Image.new("L", (64, 64), value).convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


def write_archive(path, wnids=None, leave_out=(), words=None):
    """An archive like the original with one image a class; image c is grey of value c.

    Class n00000007 is named "thing 7"; the words of others come before and after.
    """
    if wnids is None:
        wnids = [f"n{number:08}" for number in range(200)]
        random.Random(0).shuffle(wnids)
    if words is None:
        words = {wnid: f"{name_of(wnid)}, another name" for wnid in sorted(wnids)}
        words = {"n00000000a": "entity", **words, "n99999999": "thing 7, not of these classes"}
    members = {
        f"{ROOT}/wnids.txt": "\n".join(wnids) + "\n",
        f"{ROOT}/words.txt": "".join(f"{wnid}\t{names}\n" for wnid, names in words.items()),
    }
    annotations = ""
    for c, wnid in enumerate(wnids):
        image = jpeg(c, mode="L" if c % 3 else "RGB")
        members[f"{ROOT}/train/{wnid}/images/{wnid}_0.JPEG"] = image
        members[f"{ROOT}/train/{wnid}/{wnid}_boxes.txt"] = f"{wnid}_0.JPEG\t0\t0\t63\t63\n"
        members[f"{ROOT}/val/images/val_{c}.JPEG"] = image
        annotations += f"val_{c}.JPEG\t{wnid}\t0\t0\t63\t63\n"
    members[f"{ROOT}/val/val_annotations.txt"] = annotations
    members[f"{ROOT}/test/images/test_0.JPEG"] = jpeg(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if name.removeprefix(f"{ROOT}/") not in leave_out:
                archive.writestr(name, content)
    return wnids


def name_of(wnid):
    return f"thing {int(wnid[1:])}"


def prepared(folder):
    """What there is of the prepared dataset."""
    return sorted(path.name for path in (folder / "tiny_imagenet").glob("*"))


@pytest.mark.parametrize("place", [".", "downloads/manual"])
def test_classes_are_those_of_wnids_txt_in_its_order(tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    wnids = write_archive(tmp_path / place / tiny_imagenet.ARCHIVE)
    assert wnids != sorted(wnids)
    data = load(Task("t", "tiny_imagenet"), tmp_path)
    assert data.info.class_names == tuple(map(name_of, wnids))
    for part in (data.train, data.test):
        assert sorted(part.labels) == list(range(200))
        assert part.images.shape == (200, 64, 64, 3)
        # Grey or not, the value of an image tells its class.
        difference = part.images.astype(int) - part.labels[:, None, None, None]
        assert np.abs(difference).max() <= 1
    assert prepared(tmp_path) == ["1.1.0"]


@pytest.mark.parametrize("show", [True, False])
def test_preparing_tells_only_who_asks(tmp_path, capfd, show):
    write_archive(tmp_path / tiny_imagenet.ARCHIVE)
    load(Task("t", "tiny_imagenet"), tmp_path, show_progress=show)
    captured = capfd.readouterr()
    assert "tiny_imagenet" not in captured.err
    expected = [f"Preparing tiny_imagenet in {tmp_path}"]
    assert captured.out.splitlines() == (expected if show else [])


def test_classes_are_cut_out(tmp_path):
    wnids = write_archive(tmp_path / tiny_imagenet.ARCHIVE)
    data = load(Task("t", "tiny_imagenet", classes="50-99"), tmp_path)
    assert data.info.class_names == tuple(map(name_of, wnids[50:100]))
    assert data.test.images[data.test.labels == 3].mean() == pytest.approx(53, abs=1)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_an_image(path):
    """Makes the compressed data of an image such that zlib gives up on it."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{ROOT}/val/images/val_7.JPEG")
    content = bytearray(path.read_bytes())
    content[member.header_offset + 30 + len(member.filename)] = 0b111
    path.write_bytes(content)


def spoil_a_checksum(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 16] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, spoil_an_image, spoil_a_checksum, empty])
def test_a_damaged_archive_is_named_and_leaves_nothing_behind(tmp_path, damage):
    path = tmp_path / tiny_imagenet.ARCHIVE
    write_archive(path)
    damage(path)
    with pytest.raises(UserError, match=rf"{path} is cut short or damaged") as caught:
        load(Task("t", "tiny_imagenet"), tmp_path)
    assert "\n" not in str(caught.value)
    assert prepared(tmp_path) == []

    write_archive(path)
    assert len(load(Task("t", "tiny_imagenet"), tmp_path).train) == 200


@pytest.mark.parametrize(
    "member", ["wnids.txt", "words.txt", "val/val_annotations.txt", "val/images/val_7.JPEG"]
)
def test_an_archive_that_lacks_what_it_lists_is_refused(tmp_path, member):
    write_archive(tmp_path / tiny_imagenet.ARCHIVE, leave_out=[member])
    with pytest.raises(UserError, match=rf"cut short or damaged.*{member}"):
        load(Task("t", "tiny_imagenet"), tmp_path)
    assert prepared(tmp_path) == []


def test_an_archive_of_other_classes_is_refused(tmp_path):
    write_archive(tmp_path / tiny_imagenet.ARCHIVE, wnids=["n00000001", "n00000002"])
    with pytest.raises(UserError, match="lists 2 classes, not 200"):
        load(Task("t", "tiny_imagenet"), tmp_path)


def test_an_archive_without_the_name_of_a_class_is_refused(tmp_path):
    write_archive(tmp_path / tiny_imagenet.ARCHIVE, words={"n00000001": "only this"})
    with pytest.raises(UserError, match=r"words.txt has no name for n\d{8}"):
        load(Task("t", "tiny_imagenet"), tmp_path)
    assert prepared(tmp_path) == []


def test_classes_that_share_their_first_name_keep_their_ids():
    words = ["n02\tcrane, bird", "n01\tcrane", "n04\tlemon", "n03\tlemon tree, citrus"]
    names = tiny_imagenet.class_names(["n03", "n01", "n04", "n02"], words)
    assert names == ["lemon tree", "crane (n01)", "lemon", "crane (n02)"]


@pytest.fixture
def prepared_earlier(tmp_path, monkeypatch):
    """A data folder as version 1.0.0 left it, without the archive; and the WordNet IDs."""
    wnids = write_archive(tmp_path / tiny_imagenet.ARCHIVE)
    with monkeypatch.context() as earlier:
        earlier.setattr(tiny_imagenet.TinyImagenet, "VERSION", tfds.core.Version("1.0.0"))
        earlier.setattr(tiny_imagenet, "class_names", lambda wnids, _: wnids)
        load(Task("t", "tiny_imagenet"), tmp_path)
    (tmp_path / tiny_imagenet.ARCHIVE).rename(tmp_path / "elsewhere.zip")
    assert prepared(tmp_path) == ["1.0.0"]
    return tmp_path, wnids


def test_what_an_earlier_version_prepared_is_still_read(prepared_earlier):
    folder, wnids = prepared_earlier
    with pytest.warns(UserWarning, match=rf"put {tiny_imagenet.ARCHIVE} into"):
        data = load(Task("t", "tiny_imagenet"), folder)
    assert data.info.class_names == tuple(wnids)
    assert prepared(folder) == ["1.0.0"]


def test_with_the_archive_it_is_prepared_again_with_the_same_images(prepared_earlier):
    folder, wnids = prepared_earlier
    with pytest.warns(UserWarning):
        before = load(Task("t", "tiny_imagenet"), folder)
    (folder / "elsewhere.zip").rename(folder / tiny_imagenet.ARCHIVE)
    after = load(Task("t", "tiny_imagenet"), folder)
    assert after.info.class_names == tuple(map(name_of, wnids))
    assert prepared(folder) == ["1.0.0", "1.1.0"]
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(after, part).images, getattr(before, part).images)
        np.testing.assert_array_equal(getattr(after, part).labels, getattr(before, part).labels)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server on this machine in the place of the archive's own."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_archive(folder / tiny_imagenet.ARCHIVE)
    content = (folder / tiny_imagenet.ARCHIVE).read_bytes()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{tiny_imagenet.ARCHIVE}"
        info = tiny_imagenet.TinyImagenet.url_infos[tiny_imagenet.URL]
        info = dataclasses.replace(
            info, size=len(content), checksum=hashlib.sha256(content).hexdigest()
        )
        monkeypatch.setattr(tiny_imagenet, "URL", url)
        monkeypatch.setattr(tiny_imagenet.TinyImagenet, "url_infos", {url: info})
        yield folder / tiny_imagenet.ARCHIVE
        server.shutdown()


def test_the_archive_is_downloaded_where_it_is_absent(tmp_path, served):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    assert len(load(Task("t", "tiny_imagenet"), data_dir).train) == 200
    served.unlink()  # neither the archive nor its server is needed again
    assert len(load(Task("t", "tiny_imagenet"), data_dir).test) == 200


def test_a_download_of_anything_else_is_refused(tmp_path, served):
    served.write_bytes(served.read_bytes()[:-1])
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match=r"could not be prepared \(NonMatchingChecksumError"):
        load(Task("t", "tiny_imagenet"), tmp_path / "data")
    assert prepared(tmp_path / "data") == []


def test_the_real_archive_is_prepared_image_by_image(tmp_path, tiny_imagenet_zip):
    (tmp_path / tiny_imagenet.ARCHIVE).symlink_to(tiny_imagenet_zip)
    data = load(Task("t", "tiny_imagenet", classes="100-199", train_examples=10), tmp_path)
    with zipfile.ZipFile(tiny_imagenet_zip) as archive:
        wnids = archive.read(f"{ROOT}/wnids.txt").decode().split()
        words = dict(
            line.split("\t") for line in archive.read(f"{ROOT}/words.txt").decode().splitlines()
        )
        annotations = archive.read(f"{ROOT}/val/val_annotations.txt").decode().splitlines()
        expected = {
            "train": {
                name.rsplit("/", 1)[1]: (archive.read(name), name.split("/")[2])
                for name in archive.namelist()
                if "/train/" in name and name.endswith(".JPEG")
            },
            "validation": {
                line.split("\t")[0]: (
                    archive.read(f"{ROOT}/val/images/{line.split()[0]}"),
                    line.split("\t")[1],
                )
                for line in annotations
            },
        }
    assert data.info.class_names == tuple(words[wnid].split(",")[0] for wnid in wnids[100:])

    builder = tfds.builder("tiny_imagenet", data_dir=tmp_path)
    for split, images in expected.items():
        dataset = builder.as_dataset(split, decoders={"image": tfds.decode.SkipDecoding()})
        shown = {
            example["id"].decode(): (example["image"], wnids[example["label"]])
            for example in dataset.as_numpy_iterator()
        }
        assert shown == images
    assert (len(expected["train"]), len(expected["validation"])) == (20_000, 2_000)

    # Grey images among them, decoded to three channels.
    pixels = [
        tf.io.decode_jpeg(image, channels=3).numpy()
        for image, wnid in expected["validation"].values()
        if wnids.index(wnid) >= 100
    ]
    assert sorted(image.tobytes() for image in pixels) == sorted(
        image.tobytes() for image in data.test.images
    )
    modes = {Image.open(io.BytesIO(i)).mode for i, _ in expected["validation"].values()}
    assert modes == {"RGB", "L"}
    np.testing.assert_array_equal(np.bincount(data.train.labels), [10] * 100)


def test_the_real_archive_cut_short_is_named(tmp_path, tiny_imagenet_zip):
    path = tmp_path / tiny_imagenet.ARCHIVE
    shutil.copyfile(tiny_imagenet_zip, path)
    cut(path)
    with pytest.raises(UserError, match=str(path)):
        load(Task("t", "tiny_imagenet"), tmp_path)
    assert prepared(tmp_path) == []
