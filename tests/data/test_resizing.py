"""Images of any size: stretched, or the middle of the central square."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import dvn_runtime
from dvn_runtime.manifest import ExportedTask
from dvn_tf.data import Task, load, pipelines
from dvn_tf.data.tasks import CACHES
from dvn_tf.errors import UserError

SIZES = [(40, 60), (60, 40), (33, 33), (36, 36), (200, 37), (32, 90)]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two classes of images in many sizes."""
    root = tmp_path_factory.mktemp("photographs")
    for part, count in (("train", 12), ("test", 6)):
        for number in range(count):
            blobs = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
            image = Image.fromarray(blobs).resize(SIZES[number % 6], Image.Resampling.BICUBIC)
            folder = root / part / ("ant", "bee")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{number:02}.png")
    return root


def crop_task(folder, **settings):
    return Task("t", f"folder:{folder}", image_size=32, resize="crop", **settings)


def central_square(path, size) -> np.ndarray:
    """By NumPy's slicing and Pillow's resizing."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    side = min(pixels.shape[:2])
    top, left = (np.array(pixels.shape[:2]) - side) // 2
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


def test_training_images_are_squares_to_crop_from(photographs):
    data = load(crop_task(photographs))
    assert data.info.image_shape == (32, 32, 3) and data.info.crop_from == 36
    assert data.train.images.shape == (12, 36, 36, 3)
    paths = sorted((photographs / "train").rglob("*.png"))
    expected = np.stack([central_square(path, 36) for path in paths])
    np.testing.assert_array_equal(data.train.images, expected)
    np.testing.assert_array_equal(data.train.read(slice(2, 5)), expected[2:5, 2:34, 2:34])
    np.testing.assert_allclose(data.info.mean, expected.mean((0, 1, 2)), rtol=1e-12)


def test_training_crops_at_random_and_testing_in_the_middle(photographs):
    data = load(crop_task(photographs, flip=False))
    outputs = {"t": ["t/level1"]}
    seen = set()
    dataset = pipelines.training_dataset([data], outputs, 12, 0, 0, 20)
    for batch, _ in dataset.as_numpy_iterator():
        assert batch["t"].shape == (12, 32, 32, 3)
        for image in batch["t"]:
            seen |= {
                (number, top, left)
                for number in range(12)
                for top in range(5)
                for left in range(5)
                if (data.train.images[number, top : top + 32, left : left + 32] == image).all()
            }
    assert len(seen) > 0.4 * 12 * 25  # of 240 draws among 300 crops
    [(batch, _, _)] = pipelines.evaluation_dataset([data], outputs, 6).as_numpy_iterator()
    paths = sorted((photographs / "test").rglob("*.png"))
    expected = [central_square(path, 36)[2:34, 2:34] for path in paths]
    np.testing.assert_array_equal(batch["t"], expected)


@pytest.mark.parametrize("cache", CACHES[1:])
def test_crops_are_the_same_whatever_is_held(photographs, cache):
    def batches(cache):
        data = load(crop_task(photographs, cache=cache))
        dataset = pipelines.training_dataset([data], {"t": ["t/level1"]}, 5, 0, 0, 3)
        return data.info, [batch["t"] for batch, _ in dataset.as_numpy_iterator()]

    (info, found), (expected_info, expected) = batches(cache), batches("decoded")
    assert info == expected_info
    np.testing.assert_array_equal(found, expected)


def test_tfds_crops_as_folders_do():
    settings = {"image_size": 28, "resize": "crop"}
    with tfds.testing.mock_data(num_examples=6):
        data = load(Task("t", "oxford_flowers102", **settings))
        lazy = load(Task("t", "oxford_flowers102", cache="encoded", **settings))
    assert data.train.images.shape == (6, 32, 32, 3) and data.test.images.shape == (6, 28, 28, 3)
    np.testing.assert_array_equal(lazy.train.images, data.train.images)
    np.testing.assert_array_equal(lazy.test.images, data.test.images)


def test_the_device_sees_the_test_images(photographs):
    data = load(crop_task(photographs))
    task = ExportedTask("t", (32, 32, 3), 2, (), crop_from=data.info.crop_from)
    for path, image in zip(
        sorted((photographs / "test").rglob("*.png")), data.test.images, strict=True
    ):
        np.testing.assert_array_equal(dvn_runtime.read_image(path, task), image)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "folder:x"}, "resize 'crop' needs image_size"),
        ({"dataset": "folder:x", "image_size": 8, "crop_padding": 1}, "crop_padding has no effect"),
        ({"dataset": "digits", "image_size": 8}, "resize 'crop' has no effect on dataset 'digits'"),
    ],
)
def test_crops_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        load(Task("t", resize="crop", **settings))


SCENARIO = """
include 'gin/base/cifar.gin'
Scenario.name = 'photographs'
Scenario.tasks = [@Task()]
Scenario.backbone = @WideResNet()
Task.name = 'shades'
Task.dataset = 'folder:{folder}'
Task.image_size = 224
Task.resize = 'crop'
Task.memory = '1MB'
WideResNet.depth = 8
WideResNet.width = 1
Recipe.epochs = 1
Recipe.batch_size = 8
"""


@pytest.mark.slow
def test_photographs_are_trained_on_exported_and_classified(tmp_path, run_forked):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    folder = tmp_path / "photographs"
    for number in range(40):
        blobs = np.random.default_rng(number).integers(0, 100, (3, 4, 3), np.uint8)
        size = (300 + number, 240) if number % 3 else (230, 280)
        image = Image.fromarray(blobs + 150 * (number % 2)).resize(size, Image.Resampling.BICUBIC)
        path = folder / ("dark", "light")[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (tmp_path / "photographs.gin").write_text(SCENARIO.format(folder=folder))
    run = tmp_path / "run"
    done = run_forked(
        "experiments.joint", f"--gin_file={tmp_path}/photographs.gin", f"--run_dir={run}"
    )
    assert done.returncode == 0, done.stderr
    assert "Task shades: 32 training and 8 test images, held encoded in 0." in done.stdout
    done = run_forked("experiments.export", f"--run_dir={run}", "--format=litert,litert_int8")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((run / "export" / "manifest.json").read_text())
    results = json.loads((run / "results.json").read_text())
    assert manifest["tasks"]["shades"]["crop_from"] == 256
    for file in manifest["files"]:
        if file["format"] == "litert":
            accuracy = results["outputs"][f"shades/level{file['level']}"]["accuracy"]
            assert file["accuracy"] == accuracy
    predictor = dvn_runtime.BudgetedPredictor(run / "export")
    [held_out, *_] = load(Task("t", f"folder:{folder}", image_size=224, resize="crop")).test.images
    image = dvn_runtime.read_image(folder / "dark" / "00.jpg", predictor.task("shades"))
    assert image.shape == held_out.shape == (224, 224, 3)
    np.testing.assert_array_equal(
        image, central_square(folder / "dark" / "00.jpg", 256)[16:-16, 16:-16]
    )
    assert predictor.predict("shades", image).shape == (1, 2)
