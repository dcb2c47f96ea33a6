"""Data of strangers: read, skipped or refused in one line; nothing waits or takes all memory."""

import io
import os
import shutil
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from dvn_tf import machine
from dvn_tf.data import Task, images, load, tiny_imagenet
from dvn_tf.data.catalog import Catalogued
from dvn_tf.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Two classes of five images of 6 x 6 pixels."""
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.new("RGB", (6, 6), (i, 0, 200)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def load_folder(folder, **settings):
    return load(Task("t", f"folder:{folder}", **settings))


def test_files_that_are_not_regular_are_named(folder):
    os.mkfifo(folder / "ant" / "pipe.png")
    (folder / "ant" / "folder.png").mkdir()
    (folder / "bee" / "broken.png").symlink_to("nowhere")
    (folder / "bee" / "circle.png").symlink_to("circle.png")
    (folder / "bee" / "device.png").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"^5 files cannot be read as images: .* and 2 more"):
        load_folder(folder)


def test_the_first_file_may_be_a_pipe(folder):
    os.mkfifo(folder / "ant" / ".png.png")
    (folder / "ant" / ".png.png").rename(folder / "ant" / "+.png")
    with pytest.raises(UserError, match=r"\+\.png cannot be read as an image"):
        load_folder(folder)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *more) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(more) or chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def saved(format, mode="RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (6, 6)).save(out, format, **options)
    return out.getvalue()


UNREADABLE = {
    "empty": b"",
    "text": b"text",
    "bomb": png(60_000, 60_000),
    "no pixels": png(0, 6),
    "much text": png(6, 6, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n(/tmp/x) (w) file\nshowpage\n%%EOF\n",
    "PDF": b"%PDF-1.4\n%%EOF",
    "cut TIFF": saved("TIFF")[:60],
    "cut GIF": saved("GIF")[:20],
    "cut WEBP": saved("WEBP")[:30],
    "TIFF of nonsense": b"II*\0\x08\0\0\0" + bytes(range(256)) * 4,
    "BMP of nonsense": b"BM" + bytes(range(256)) * 4,
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_file_is_named(folder, kind):
    (folder / "ant" / "7.png").write_bytes(UNREADABLE[kind])
    with pytest.raises(UserError, match=r"7\.png cannot be read as an image"):
        load_folder(folder, image_size=6)


@pytest.mark.parametrize("seed", range(4))
def test_any_damage_is_named_or_harmless(folder, seed):
    generator = np.random.default_rng(seed)
    for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        for _ in range(25):
            content = bytearray(saved(format))
            for place in generator.integers(len(content), size=3):
                content[place] = generator.integers(256)
            (folder / "ant" / "7.png").write_bytes(content)
            try:
                load_folder(folder, image_size=6)
            except UserError as error:
                assert "7.png" in str(error)


RARE = {
    "1": saved("PNG", "1"),
    "P": saved("PNG", "P", transparency=b"\0\x10"),
    "LA": saved("PNG", "LA"),
    "CMYK": saved("JPEG", "CMYK"),
    "PA as LA": saved("TIFF", "LA"),
    "YCbCr": saved("TIFF", "YCbCr"),
    "LAB": saved("TIFF", "LAB"),
    "animated": saved("GIF", save_all=True, append_images=[Image.new("RGB", (6, 6), "red")]),
}


@pytest.mark.parametrize("kind", RARE)
def test_images_of_rare_kinds_are_read(folder, kind):
    (folder / "ant" / "7.png").write_bytes(RARE[kind])
    try:
        data = load_folder(folder)
    except UserError as error:
        assert kind == "LAB" and "7.png" in str(error)
    else:
        assert data.train.images.shape[1:] == (6, 6, 3)


@pytest.mark.parametrize("mode, format", [("I;16", "PNG"), ("F", "TIFF"), ("I", "TIFF")])
def test_more_than_8_bits_are_refused(folder, mode, format):
    (folder / "ant" / "7.png").write_bytes(saved(format, mode))
    with pytest.raises(UserError, match=r"7\.png has more than 8 bits a channel"):
        load_folder(folder)


def test_a_very_wide_image_is_resized(folder):
    Image.new("RGB", (100_000, 1)).save(folder / "ant" / "7.png")
    assert load_folder(folder, image_size=6).info.image_shape == (6, 6, 3)


def test_names_that_are_no_characters(folder):
    name = os.fsdecode(b"\xff.png")
    shutil.copy(folder / "ant" / "0.png", folder / "ant" / name)
    data = load_folder(folder)
    assert len(data.train) + len(data.test) == 11
    (folder / "bee").rename(folder / os.fsdecode(b"\xff"))
    with pytest.raises(UserError, match=r"class folder '.*\\udcff' has no name for people"):
        load_folder(folder)


@pytest.mark.parametrize("path", ["x" * 300, "x/" * 2000, "~nobody-of-this-name/x"])
def test_paths_that_cannot_be(path):
    with pytest.raises(UserError, match="There is no folder"):
        load_folder(path)


def test_a_thousand_classes(tmp_path):
    for part in ("train", "test"):
        for number in range(1000):
            (tmp_path / part / f"{number:04}").mkdir(parents=True)
            (tmp_path / part / f"{number:04}" / "0.bmp").write_bytes(saved("BMP"))
    assert load_folder(tmp_path).info.num_classes == 1000


def test_more_memory_than_there_is(folder, monkeypatch):
    available = machine.available_memory()
    assert available is None or 10**6 < available < 10**15
    monkeypatch.setattr(machine, "available_memory", lambda: 10**8)
    with pytest.raises(
        UserError,
        match=r"^8 images of 4096 x 4096 x 3 take 0.4 GB of memory, and 0.1 GB are free: set",
    ):
        load_folder(folder, image_size=4096, cache="decoded")
    monkeypatch.setattr(machine, "available_memory", lambda: None)
    with pytest.raises(UserError, match=r"take 10,000,000,000\.0 GB of memory: set"):
        images.allocate((10**9, 10**10, 1))


def test_members_that_unpack_to_much(tmp_path):
    path = tmp_path / tiny_imagenet.ARCHIVE
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny-imagenet-200/wnids.txt", bytes(2**25))
    with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile, match="unpacks to"):
        tiny_imagenet._read(archive, "tiny-imagenet-200/wnids.txt")
    with pytest.raises(UserError, match=r"wnids\.txt unpacks to 33,554,432 bytes"):
        Catalogued("tiny_imagenet", data_dir=tmp_path).encoded("train", lambda labels: labels)


def test_an_archive_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / tiny_imagenet.ARCHIVE)
    with pytest.raises(UserError, match="is no regular file"):
        Catalogued("tiny_imagenet", data_dir=tmp_path)
