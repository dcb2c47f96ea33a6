"""Damaged, rare and hostile images: in a data set, and as input of the program that predicts."""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

from tests.faults import checks, damage, processes
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import TASKS

_CLASSES = ("one", "two")
_IMAGES = 4  # in each class
_SIZE = 8  # pixels
_SETTINGS = (
    "Scenario.name = 'folder'",
    "Scenario.tasks = [@Task()]",
    "Scenario.num_units = 2",
    "Scenario.num_levels = 1",
    "Scenario.backbone = @WideResNet()",
    "WideResNet.depth = 8",
    "WideResNet.width = 1",
    "Task.name = 'images'",
    "Recipe.epochs = 1",
    "Recipe.batch_size = 2",
)


@fault("data-set-image", weight=2)
def image_in_data_set(trial: Trial) -> None:
    """Puts an odd image into a folder of images, and trains on it."""
    data = trial.folder / "data"
    for name in _CLASSES:
        (data / name).mkdir(parents=True)
        for number in range(_IMAGES):
            _image(trial).save(data / name / f"{number}.png")
    _make_odd(trial, data / trial.rng.choice(_CLASSES))
    size = [f"Task.image_size = {_SIZE}"] if trial.rng.random() < 0.5 else []
    lines = (*_SETTINGS, f"Task.dataset = 'folder:{data}'", *size)
    (trial.folder / "folder.gin").write_text("\n".join(lines))
    done = processes.run(
        "experiments.joint",
        "--gin_file=folder.gin",
        f"--run_dir={trial.folder / 'run'}",
        folder=trial.folder,
    )
    checks.clean_end(done)


@fault("input-image", weight=2)
def image_as_input(trial: Trial) -> None:
    """Asks for predictions of a sound image and of an odd one."""
    folder = trial.folder / "images"
    folder.mkdir()
    _image(trial).save(folder / "0.png")
    odd, sound = _make_odd(trial, folder), folder / "0.png"
    images = [odd] if odd == sound else [odd, sound]
    done = processes.run(
        "experiments.predict",
        f"--export_dir={trial.reference.export().folder}",
        f"--task={trial.rng.choice(TASKS)}",
        *images,
        folder=trial.folder,
    )
    checks.clean_end(done)
    if sound in images[1:] and f"{sound}: " not in done.stdout:
        raise Failure("the sound image got no answer")


def _image(trial: Trial, mode: str = "RGB", size=(_SIZE, _SIZE)) -> Image.Image:
    pixels = np.frombuffer(trial.rng.randbytes(size[0] * size[1] * 3), np.uint8)
    return Image.fromarray(pixels.reshape(size[1], size[0], 3)).convert(mode)


def _make_odd(trial: Trial, folder: pathlib.Path) -> pathlib.Path:
    """Damages an image of a folder, or adds a rare or hostile one; returns its path."""
    if trial.rng.random() < 0.35:
        path = folder / "0.png"
        trial.step(trial.rng.choice(damage.ANY)(path, trial.rng))
        return path
    name = trial.rng.choice(sorted(ODD))
    suffix = trial.rng.choice((".png", ".jpg", ".bmp", ".JPEG"))
    path = folder / f"odd{suffix}"
    trial.step(f"{name} as {suffix}")
    path.write_bytes(ODD[name](trial))
    return path


def _saved(mode: str = "RGB", format: str = "PNG", size=(_SIZE, _SIZE), **options):
    """Makes an image of a mode, in a format."""

    def make(trial: Trial) -> bytes:
        stream = io.BytesIO()
        _image(trial, mode, size).save(stream, format, **options)
        return stream.getvalue()

    return make


def _damaged(make):
    """Flips bits in the file that another function makes."""

    def make_damaged(trial: Trial) -> bytes:
        content = bytearray(make(trial))
        for _ in range(trial.rng.choice((1, 3, 20))):
            content[trial.rng.randrange(len(content))] ^= 1 << trial.rng.randrange(8)
        return bytes(content)

    return make_damaged


def _png(width: int, height: int, depth: int, colour: int, data: bytes, *more) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in chunks:
        parts += [struct.pack(">I", len(content)), kind, content]
        parts.append(struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


def _bomb() -> bytes:
    """The content of a chunk that unpacks to 256 MiB."""
    return b"a\0\0" + zlib.compress(bytes(2**28))


_ROWS = bytes(_SIZE * (1 + 3 * _SIZE))
ODD = {
    **{f"mode {mode}": _saved(mode) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")},
    **{f"TIFF of mode {mode}": _saved(mode, "TIFF") for mode in ("CMYK", "LAB", "F", "I", "YCbCr")},
    "CMYK JPEG": _saved("CMYK", "JPEG"),
    "grey JPEG": _saved("L", "JPEG"),
    "progressive JPEG": _saved("RGB", "JPEG", progressive=True),
    "JPEG with odd EXIF": _saved(
        "RGB", "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40
    ),
    "JPEG turned by EXIF": _saved(
        "RGB",
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    ),
    "GIF": _saved("P", "GIF"),
    "WebP": _saved("RGB", "WEBP"),
    "icon": _saved("RGBA", "ICO"),
    "animated PNG": _saved(
        "RGB", "PNG", save_all=True, append_images=[Image.new("RGB", (8, 8))] * 3
    ),
    "PNG with transparency": _saved("RGB", "PNG", transparency=(0, 0, 0)),
    "palette with transparency": _saved("P", "PNG", transparency=b"\0" * 256),
    "PDF": _saved("RGB", "PDF"),
    "PostScript": lambda trial: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "one pixel": _saved(size=(1, 1)),
    "one row": _saved(size=(5000, 1)),
    "larger": _saved(size=(9, 9)),
    "empty": lambda trial: b"",
    "signature alone": lambda trial: b"\x89PNG\r\n\x1a\n",
    "noise after a signature": lambda trial: b"\x89PNG\r\n\x1a\n" + trial.rng.randbytes(900),
    "no pixels": lambda trial: _png(0, 0, 8, 2, b""),
    "gigapixels": lambda trial: _png(60000, 60000, 8, 2, bytes(10**6)),
    "just below Pillow's limit": lambda trial: _png(13000, 13000, 1, 0, bytes(13000 * 1626)),
    "2 ** 31 pixels wide": lambda trial: _png(2**31 - 1, 1, 8, 2, b""),
    "huge text chunk": lambda trial: _png(8, 8, 8, 2, _ROWS, (b"zTXt", _bomb())),
    "huge colour profile": lambda trial: _png(8, 8, 8, 2, _ROWS, (b"iCCP", _bomb())),
    "too few rows": lambda trial: _png(8, 8, 8, 2, _ROWS[:50]),
    "no colour of this kind": lambda trial: _png(8, 8, 7, 9, _ROWS),
    "HTML": lambda trial: b"<html><body>404 Not Found</body></html>",
    "damaged JPEG": _damaged(_saved("RGB", "JPEG")),
    "damaged PNG": _damaged(_saved("P", "PNG")),
    "damaged GIF": _damaged(_saved("P", "GIF")),
    "damaged BMP": _damaged(_saved("RGB", "BMP")),
    "damaged TIFF": _damaged(_saved("RGB", "TIFF")),
    "damaged WebP": _damaged(_saved("RGB", "WEBP")),
}
