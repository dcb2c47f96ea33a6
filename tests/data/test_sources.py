import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

from dvn_tf.data import Task, load, register_source, sources, task_info
from dvn_tf.data import images as image_tools
from dvn_tf.errors import UserError

CIFAR100_TRAIN = "cifar100/3.0.2/cifar100-train.tfrecord-00000-of-00001"


def raw_records(path, *label_keys):
    """Images, decoded by Pillow, and labels, read without TFDS."""
    images, labels = [], []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        encoded = feature["image"].bytes_list.value[0]
        images.append(np.asarray(Image.open(io.BytesIO(encoded))))
        labels.append([feature[key].int64_list.value[0] for key in label_keys])
    return np.array(images), np.array(labels).T


@pytest.fixture(scope="module")
def cifar100_raw(tfds_dir):
    return raw_records(tfds_dir / CIFAR100_TRAIN, "label", "coarse_label")


# --- Sources of one's own ---------------------------------------------------------------------


class Stripes:
    """Two classes of 4 x 4 images: rows and columns."""

    class_names = ("rows", "columns")
    image_shape = (4, 4, 1)

    def __init__(self, split="train"):
        self.split = split

    def read(self, split, select):
        labels = np.array([0, 1] * 3, np.int32)
        images = np.stack([np.eye(4, dtype=np.uint8)[..., None] * label for label in labels])
        images += 10 * (split == self.split)
        positions = select(labels)
        return images[positions], labels[positions]


@pytest.fixture
def registry(monkeypatch):
    """The register of sources, as it was again after the test."""
    monkeypatch.setattr(sources, "_entries", dict(sources._entries))


def test_a_registered_source_is_found_by_its_name(registry, tmp_path):
    opened = []
    register_source("stripes", lambda task, data_dir: opened.append((task, data_dir)) or Stripes())
    assert task_info(Task("t", "stripes"), tmp_path).class_names == ("rows", "columns")
    assert opened == [(Task("t", "stripes"), tmp_path)]
    data = load(Task("t", "stripes", classes=(1, 0), train_examples=2))
    assert data.info.class_names == ("columns", "rows")
    assert data.train.labels.tolist() == [1, 0, 1, 0] and len(data.test) == 6
    assert data.train.images.max() == 11 and data.test.images.max() == 1
    with pytest.raises(UserError, match="at least 2 classes"):
        task_info(Task("t", "stripes", classes="1"))


def test_a_name_with_a_colon_stands_for_all_that_begin_with_it(registry):
    register_source("stripes:", lambda task, _: Stripes(task.dataset.removeprefix("stripes:")))
    assert load(Task("t", "stripes:test")).test.images.max() == 11
    assert load(Task("t", "stripes:a:b")).test.images.max() == 1
    for other in ("stripes", "stripes_2"):
        with pytest.raises(UserError, match=f"no dataset '{other}'"):
            task_info(Task("t", other))


def test_a_source_says_which_settings_of_tfds_it_uses(registry):
    register_source("stripes", lambda *_: Stripes(), settings=["label_key"])
    task_info(Task("t", "stripes", label_key="colour"))
    with pytest.raises(UserError, match="image_key 'x' has no effect on dataset 'stripes'"):
        task_info(Task("t", "stripes", label_key="colour", image_key="x"))


@pytest.mark.parametrize("name", ["digits", "folder:", ""])
def test_a_name_that_is_taken_is_refused(registry, name):
    with pytest.raises(UserError, match="empty or taken"):
        register_source(name, lambda *_: Stripes())


def test_an_unknown_setting_is_refused(registry):
    with pytest.raises(UserError, match="'flip'"):
        register_source("stripes", lambda *_: Stripes(), settings=["flip"])


# --- Digits ---------------------------------------------------------------------------------


def test_digits_are_scikit_learns_each_on_one_side():
    grey, labels = load_digits(return_X_y=True)
    data = load(Task("d", "digits"))
    expected = {}
    for image, label in zip(grey, labels, strict=True):
        expected.setdefault((image.reshape(8, 8) * 255 / 16).round().tobytes(), []).append(label)
    shown = 0
    for part in (data.train, data.test):
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int32
        assert part.images.shape == (len(part), 8, 8, 1)
        shown += len(part)
        for image, label in zip(part.images, part.labels, strict=True):
            expected[image[..., 0].astype(float).tobytes()].remove(label)
    assert shown == 1797 and not any(expected.values())
    assert data.train.images.max() == 255


def test_digits_hold_out_the_same_share_of_every_class():
    data = load(Task("d", "digits", test_fraction=0.25))
    counts = np.bincount(data.test.labels) / np.bincount(
        np.concatenate([data.train.labels, data.test.labels])
    )
    np.testing.assert_allclose(counts, 0.25, atol=0.01)
    again = load(Task("other", "digits", test_fraction=0.25))
    np.testing.assert_array_equal(data.test.images, again.test.images)


def test_too_small_a_share_of_the_digits_is_refused():
    with pytest.raises(UserError, match="test_fraction"):
        load(Task("d", "digits", test_fraction=0.001))


def test_digits_of_some_classes_are_numbered_from_0_in_the_order_given():
    every = load(Task("d", "digits"))
    some = load(Task("d", "digits", classes=(7, 2)))
    assert some.info.class_names == ("7", "2")
    for new, old in enumerate((7, 2)):
        np.testing.assert_array_equal(
            some.train.images[some.train.labels == new],
            every.train.images[every.train.labels == old],
        )
    assert set(some.train.labels) == set(some.test.labels) == {0, 1}


def test_train_examples_keeps_the_first_of_each_class_and_all_test_images():
    every = load(Task("d", "digits", classes="3-5"))
    few = load(Task("d", "digits", classes="3-5", train_examples=4))
    np.testing.assert_array_equal(np.bincount(few.train.labels), [4, 4, 4])
    for label in range(3):
        np.testing.assert_array_equal(
            few.train.images[few.train.labels == label],
            every.train.images[every.train.labels == label][:4],
        )
    assert len(few.test) == len(every.test)


def test_digits_can_be_resized():
    data = load(Task("d", "digits", image_size=16))
    assert data.info.image_shape == data.train.images.shape[1:] == (16, 16, 1)


def test_digits_need_no_tensorflow():
    code = (
        "import os, sys; sys.modules['tensorflow'] = None; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "from dvn_tf.data import Task, load; print(len(load(Task('d', 'digits')).train))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "1437", result.stderr


# --- Images in memory -----------------------------------------------------------------------


def test_statistics_are_those_of_the_training_images():
    data = load(Task("d", "digits", classes="0-1"))
    pixels = data.train.images.astype(np.float64)
    np.testing.assert_allclose(data.info.mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.info.std, pixels.std((0, 1, 2)), rtol=1e-12)


def test_statistics_are_per_channel_and_safe_to_divide_by():
    images = np.random.default_rng(0).integers(0, 200, (2500, 3, 3, 3), np.uint8)
    images[..., 1] = 9
    mean, std = image_tools.channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std[::2], images.std((0, 1, 2))[::2], rtol=1e-12)
    assert std[1] == 1


def test_room_for_images_is_aligned():
    for size in range(1, 70):
        room = image_tools.allocate((size, 3))
        assert room.shape == (size, 3) and room.ctypes.data % image_tools.ALIGNMENT == 0


# --- TFDS -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "row", "classes"), [("label", 0, 100), ("coarse_label", 1, 20)])
def test_cifar100_is_what_the_records_hold(tfds_dir, cifar100_raw, key, row, classes):
    images, labels = cifar100_raw
    data = load(Task("c", "cifar100", label_key=key), tfds_dir)
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, labels[row])
    assert data.info.num_classes == classes == len(data.info.class_names)
    assert len(data.test) == 916


def test_cifar100_classes_are_cut_out_and_renumbered(tfds_dir, cifar100_raw):
    images, labels = cifar100_raw
    data = load(Task("c", "cifar100", classes="95-99,3", train_examples=6), tfds_dir)
    names = (tfds_dir / "cifar100/3.0.2/label.labels.txt").read_text().split()
    assert data.info.class_names == (*names[95:], names[3])
    for new, old in enumerate((95, 96, 97, 98, 99, 3)):
        np.testing.assert_array_equal(
            data.train.images[data.train.labels == new], images[labels[0] == old][:6]
        )
    assert sorted(set(data.train.labels)) == [0, 1, 2, 3, 4, 5]


def test_all_of_cifar10_is_what_the_records_hold(tfds_dir):
    data = load(Task("c", "cifar10"), tfds_dir)
    assert data.train.images.shape == (50_000, 32, 32, 3)
    assert data.info.class_names[0] == "airplane"
    # The means stand in the description of the files.
    np.testing.assert_allclose(np.array(data.info.mean) / 255, [0.4868, 0.4822, 0.4414], atol=5e-5)
    images, labels = raw_records(
        tfds_dir / "cifar10/3.0.2/cifar10-test.tfrecord-00000-of-00001", "label"
    )
    np.testing.assert_array_equal(data.test.labels, labels[0])
    # Two decoders of JPEG round differently; two images differ by 60 on average.
    difference = np.abs(data.test.images.astype(np.int16) - images)
    assert difference.max() <= 8 and difference.mean() < 1.5


def test_splits_in_the_syntax_of_tfds(tfds_dir, cifar100_raw):
    task = Task("c", "cifar100", train_split="train[10:30]", test_split="train[:10]")
    data = load(task, tfds_dir)
    np.testing.assert_array_equal(data.train.images, cifar100_raw[0][10:30])
    np.testing.assert_array_equal(data.test.images, cifar100_raw[0][:10])


@pytest.mark.parametrize("split", ["unlabelled", "train[:10%"])
def test_unknown_splits_are_refused_with_those_there_are(tfds_dir, split):
    with pytest.raises(UserError, match=r"it has 'train', 'test'"):
        load(Task("c", "cifar100", train_split=split), tfds_dir)


def test_a_split_without_the_classes_is_refused(tfds_dir):
    with pytest.raises(UserError, match=r"train split .* no image of its classes"):
        load(Task("c", "cifar100", classes="0-1", train_split="train[:1]"), tfds_dir)


def test_cifar_can_be_resized_with_antialiasing(tfds_dir, cifar100_raw):
    data = load(Task("c", "cifar100", image_size=16, train_split="train[:20]"), tfds_dir)
    assert data.info.image_shape == (16, 16, 3)
    for mine, image in zip(data.train.images, cifar100_raw[0], strict=False):
        pillow = Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR)
        assert np.abs(mine.astype(int) - np.asarray(pillow)).max() <= 1


def test_stl10_and_datasets_of_varying_size():
    with tfds.testing.mock_data(num_examples=5):
        data = load(Task("s", "stl10"))
        assert data.train.images.shape == (5, 96, 96, 3)
        data = load(Task("s", "oxford_flowers102", image_size=24))
        assert data.train.images.shape == (5, 24, 24, 3)
        data = load(Task("s", "mnist"))
        assert data.train.images.shape == (5, 28, 28, 1)


def test_images_without_a_label_are_refused():
    def unlabelled(self, **_):
        example = {"image": np.zeros((96, 96, 3), np.uint8), "label": -1}
        return tf.data.Dataset.from_tensors(example)

    with (
        tfds.testing.mock_data(as_dataset_fn=unlabelled),
        pytest.raises(UserError, match=r"train split of 'stl10' .* Task.train_split"),
    ):
        load(Task("s", "stl10"))


# --- Damaged TFDS folders -------------------------------------------------------------------


def cut_between_records(content):
    """Drops the last records and leaves the rest whole."""
    position = 0
    for _ in range(100):
        length = int.from_bytes(content[position : position + 8], "little")
        position += 8 + 4 + length + 4
    return content[:position]


def flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda c: c[: len(c) // 2], cut_between_records, flip_a_bit, lambda c: b"", None],
    ids=["cut", "records missing", "bit flipped", "empty", "absent"],
)
def test_damaged_records_are_named(tfds_dir, tmp_path, damage):
    shutil.copytree(tfds_dir / "cifar100", tmp_path / "cifar100", copy_function=shutil.copyfile)
    path = tmp_path / CIFAR100_TRAIN
    content = path.read_bytes()
    path.unlink()
    if damage:
        path.write_bytes(damage(content))
    with pytest.raises(UserError, match=rf"'cifar100'.*{path.parent}.*restore") as caught:
        load(Task("c", "cifar100"), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 100])
def test_a_damaged_description_is_named(tfds_dir, tmp_path, keep):
    shutil.copytree(tfds_dir / "cifar100", tmp_path / "cifar100", copy_function=shutil.copyfile)
    path = tmp_path / "cifar100/3.0.2/dataset_info.json"
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(UserError, match=r"'cifar100'.*restore") as caught:
        task_info(Task("c", "cifar100"), tmp_path)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match=r"'cifar100'.*restore"):
        load(Task("c", "cifar100"), tmp_path)
