"""The page's images are the device's, pixel for pixel."""

import numpy as np
import pytest
from PIL import Image

from dvn_runtime import read_image
from dvn_runtime.manifest import ExportedTask

SCRIPT = """
import { toShape } from "./resize.js";
const answers = given.map(({ width, height, rgba, shape, cropFrom }) =>
  [...toShape({ width, height, rgba: Uint8ClampedArray.from(rgba) }, shape, cropFrom)]);
console.log(JSON.stringify(answers));
"""
SIZES = [(1, 1), (2, 3), (7, 5), (8, 8), (31, 33), (32, 32), (61, 8), (8, 97), (130, 255)]


def in_two_passes(path, task: ExportedTask, folder) -> np.ndarray:
    """What `read_image` gives, columns first and then rows; Pillow 13 may turn that round."""
    width = task.image_shape[1]
    with Image.open(path) as image:
        image = image.convert("L" if task.image_shape[2] == 1 else "RGB")
        image.resize((width, image.height), Image.Resampling.BILINEAR).save(folder / "first.png")
    return read_image(folder / "first.png", task)


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (10, 6, 1), (17, 64, 3)])
def test_every_pixel_is_pillows(run_node, tmp_path, shape):
    rng = np.random.default_rng(0)
    task = ExportedTask("task", shape, 2, ())
    asked, expected, near = [], [], []
    for width, height in SIZES:
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        steps = np.repeat(rng.choice([0, 255], (height, width, 1)), 3, axis=2).astype(np.uint8)
        for pixels in (noise, steps):
            Image.fromarray(pixels).save(tmp_path / "image.png")
            expected.append(in_two_passes(tmp_path / "image.png", task, tmp_path).ravel().tolist())
            near.append(read_image(tmp_path / "image.png", task).ravel())
            rgba = np.concatenate([pixels, np.full((height, width, 1), 255)], axis=2)
            about = {"width": width, "height": height, "shape": shape}
            asked.append(about | {"rgba": rgba.ravel().tolist()})
    answers = run_node(SCRIPT, asked)
    for about, found, wanted, device in zip(asked, answers, expected, near, strict=True):
        assert found == wanted, (about["width"], about["height"])
        assert np.abs(np.subtract(found, device.astype(int))).max() <= 1


def test_grey_of_every_colour(run_node, tmp_path):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    task = ExportedTask("task", (64, 64, 1), 2, ())
    rgba = np.concatenate([pixels, np.full((64, 64, 1), 255)], axis=2).ravel().tolist()
    about = {"width": 64, "height": 64, "shape": task.image_shape, "rgba": rgba}
    [found] = run_node(SCRIPT, [about])
    assert found == read_image(tmp_path / "image.png", task).ravel().tolist()


@pytest.mark.parametrize(("size", "crop_from"), [(8, 10), (28, 32), (7, 7)])
def test_the_middle_of_the_central_square(run_node, tmp_path, size, crop_from):
    rng = np.random.default_rng(2)
    task = ExportedTask("task", (size, size, 3), 2, (), crop_from)
    asked, expected = [], []
    for width, height in SIZES:
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "image.png")
        expected.append(read_image(tmp_path / "image.png", task).ravel())
        rgba = np.concatenate([pixels, np.full((height, width, 1), 255)], axis=2)
        about = {"width": width, "height": height, "shape": task.image_shape}
        asked.append(about | {"rgba": rgba.ravel().tolist(), "cropFrom": crop_from})
    for found, wanted in zip(run_node(SCRIPT, asked), expected, strict=True):
        assert len(found) == len(wanted)
        assert np.abs(np.subtract(found, wanted.astype(int))).max() <= 1
