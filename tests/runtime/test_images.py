"""Image files of every kind: read, or one line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dvn_runtime import read_image
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedTask

COLOURS = ExportedTask("colours", (8, 8, 3), 4, ())
GREY = ExportedTask("digits", (10, 6, 1), 3, ())
MODES = {
    "1": "PNG", "L": "PNG", "LA": "PNG", "P": "PNG", "RGB": "PNG", "RGBA": "PNG", "I;16": "PNG",
    "I": "PNG", "I;16B": "TIFF", "CMYK": "JPEG", "YCbCr": "JPEG", "PA": "TIFF",
    "RGBX": "TIFF",
}  # fmt: skip


def image_of(mode):
    if mode.startswith("I"):
        pixels = np.full((9, 7), 20_000, ">u2" if mode.endswith("B") else "uint16")
        image = Image.frombytes(mode, (7, 9), pixels.tobytes()) if ";" in mode else None
        return image or Image.fromarray(pixels.astype("int32"))
    grey = Image.fromarray(np.full((9, 7), 80, "uint8"))
    for step in {"PA": ("P", "PA")}.get(mode, (mode,)):
        grey = grey.convert(step)
    return grey


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read_or_refused(mode, tmp_path):
    path = tmp_path / "image"
    try:
        image_of(mode).save(path, MODES[mode])
    except (OSError, KeyError):
        image_of(mode).save(path, "TIFF")
    for task in (COLOURS, GREY):
        try:
            pixels = read_image(path, task)
        except UserError as error:
            assert mode == "PA", error
        else:
            assert pixels.dtype == np.uint8 and pixels.shape == task.image_shape
            if mode not in ("1", "CMYK", "YCbCr"):
                assert abs(pixels.astype(int) - 80).max() <= 3


def test_floats_are_refused(tmp_path):
    Image.fromarray(np.full((9, 7), 0.5, "float32")).save(tmp_path / "x.tiff")
    with pytest.raises(UserError, match="its pixels are floats"):
        read_image(tmp_path / "x.tiff", GREY)


def test_the_first_image_of_an_animation_is_read(tmp_path):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    for suffix in ("gif", "png", "webp", "tiff"):
        path = tmp_path / f"x.{suffix}"
        first.save(path, save_all=True, append_images=[second], lossless=True)
        assert (read_image(path, COLOURS) == [255, 0, 0]).all()


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"text", bomb(), EPS, b"P5 99999 99999 255\n", b"GIF89a"]
)
def test_files_that_are_no_images(content, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # nothing may be started
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot read the image"):
        read_image(path, COLOURS)


def test_large_images_are_refused_before_they_are_unpacked(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "large.png")
    with pytest.raises(UserError, match="9000 x 9000 pixels"):
        read_image(tmp_path / "large.png", COLOURS)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero", tmp_path / "absent"):
        with pytest.raises(UserError, match="cannot read the image"):
            read_image(path, COLOURS)


def saved(format) -> bytes:
    file = io.BytesIO()
    ramp = np.linspace(0, 255, 12 * 9 * 3).reshape(12, 9, 3).astype("uint8")
    Image.fromarray(ramp).save(file, format)
    return file.getvalue()


SAVED = {format: saved(format) for format in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")}


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), format=st.sampled_from(list(SAVED)))
def test_damage_anywhere_is_an_image_or_one_line(tmp_path, data, format):
    content = bytearray(SAVED[format])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "image"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_image(path, COLOURS).shape == (8, 8, 3)
    except UserError as error:
        assert len(str(error)) < 600
