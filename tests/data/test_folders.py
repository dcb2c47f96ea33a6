import shutil

import numpy as np
import pytest
from PIL import Image

from dvn_tf.data import Task, load, task_info
from dvn_tf.errors import UserError


def paint(path, color=(10, 20, 30), size=(6, 6), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path, **options)


def task(folder, **settings):
    return Task("t", f"folder:{folder}", **settings)


@pytest.fixture
def split_folder(tmp_path):
    """Three classes with 4 training and 2 test images each: class c has red = 50 * c + i."""
    for c, name in enumerate(("ant", "bee", "cat")):
        for i in range(4):
            paint(tmp_path / "train" / name / f"{i}.png", (50 * c + i, 0, 200))
        for i in range(2):
            paint(tmp_path / "test" / name / f"{i}.png", (50 * c + 10 + i, 0, 200))
    return tmp_path


@pytest.fixture
def flat_folder(tmp_path):
    """Two classes of 10 images: class c has red = 50 * c + i."""
    for c, name in enumerate(("ant", "bee")):
        for i in range(10):
            paint(tmp_path / name / f"{i}.bmp", (50 * c + i, 0, 200))
    return tmp_path


def reds(part):
    return part.images[:, 0, 0, 0].tolist()


def test_train_and_test_folders(split_folder):
    data = load(task(split_folder))
    assert data.info.class_names == ("ant", "bee", "cat")
    assert data.info.image_shape == (6, 6, 3)
    assert reds(data.train) == [0, 1, 2, 3, 50, 51, 52, 53, 100, 101, 102, 103]
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert reds(data.test) == [10, 11, 60, 61, 110, 111]
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert (data.train.images[..., 1:] == (0, 200)).all()


@pytest.mark.parametrize("name", ["val", "validation"])
def test_the_test_folder_may_be_named_otherwise(split_folder, name):
    (split_folder / "test").rename(split_folder / name)
    assert reds(load(task(split_folder)).test) == [10, 11, 60, 61, 110, 111]


def test_without_a_test_folder_a_share_of_the_train_folder_is_held_out(split_folder):
    shutil.rmtree(split_folder / "test")
    data = load(task(split_folder))
    assert data.info.class_names == ("ant", "bee", "cat")
    assert np.bincount(data.train.labels).tolist() == [3, 3, 3]
    assert np.bincount(data.test.labels).tolist() == [1, 1, 1]


def test_a_class_may_be_named_train(flat_folder):
    (flat_folder / "bee").rename(flat_folder / "train")
    assert load(task(flat_folder)).info.class_names == ("ant", "train")


def test_what_is_skipped_is_counted_and_shown(split_folder, capfd):
    load(task(split_folder), show_progress=True)
    assert "; skipped" not in capfd.readouterr().out
    ignored = (".DS_Store", "notes.txt", "train/more.TXT", "train/ant/.hidden.png", "test/README")
    for name in ignored:
        (split_folder / name).write_text("no image")
    paint(split_folder / "train/ant/deeper/0.png")
    paint(split_folder / "validation/ant/0.png")  # there is a test folder already
    paint(split_folder / ".git/objects/0.png")
    data = load(task(split_folder), show_progress=True)
    assert data.skipped == {
        "hidden": 3, ".txt": 2, "outside of the class folders": 2, "without a suffix": 1,
    }  # fmt: skip
    assert capfd.readouterr().out == (
        f"Read folder:{split_folder} for task t: 12 training and 6 test images of 3 classes; "
        "skipped files: 3 hidden, 2 .txt, 2 outside of the class folders, 1 without a suffix\n"
    )
    assert load(task(split_folder)).skipped == data.skipped
    assert capfd.readouterr() == ("", "")


def test_classes_and_train_examples(split_folder):
    data = load(task(split_folder, classes=(2, 0), train_examples=2))
    assert data.info.class_names == ("cat", "ant")
    assert sorted(zip(reds(data.train), data.train.labels.tolist(), strict=True)) == [
        (0, 1),
        (1, 1),
        (100, 0),
        (101, 0),
    ]


def test_a_share_of_each_class_is_held_out(flat_folder):
    data = load(task(flat_folder, test_fraction=0.3))
    assert np.bincount(data.train.labels).tolist() == [7, 7]
    assert np.bincount(data.test.labels).tolist() == [3, 3]
    assert sorted(reds(data.train) + reds(data.test)) == [*range(10), *range(50, 60)]
    # Files are often numbered in the order they were taken: neither end of it is typical.
    assert set(reds(data.test)[:3]) not in ({0, 1, 2}, {7, 8, 9})
    np.testing.assert_array_equal(
        data.test.images, load(task(flat_folder, test_fraction=0.3)).test.images
    )


def test_images_mostly_keep_their_side_when_others_are_added(flat_folder):
    before = set(reds(load(task(flat_folder, test_fraction=0.5)).test))
    paint(flat_folder / "ant" / "one more.bmp", (99, 0, 0))
    after = set(reds(load(task(flat_folder, test_fraction=0.5)).test))
    assert len(before - after) <= 1


def test_png_jpeg_bmp_of_any_mode_become_rgb(tmp_path):
    for mode in ("RGB", "L", "P", "RGBA", "1"):
        paint(tmp_path / "train" / "a" / f"{mode}.png", (255, 255, 255), mode=mode)
    paint(tmp_path / "train" / "b" / "x.JPG", (200, 100, 50), quality=95)
    paint(tmp_path / "train" / "b" / "x.bmp", (200, 100, 50))
    paint(tmp_path / "test" / "b" / "y.jpeg", (9, 9, 9), mode="L")
    (tmp_path / "train" / "b" / "notes.txt").write_text("not an image, and not read as one")
    (tmp_path / "train" / ".hidden").mkdir()
    data = load(task(tmp_path))
    assert (data.train.images[data.train.labels == 0] == 255).all()
    b = data.train.images[data.train.labels == 1].astype(int)
    assert len(b) == 2 and np.abs(b - (200, 100, 50)).max() <= 3
    assert data.test.images.shape == (1, 6, 6, 3) and (data.test.images == 9).all()
    assert data.test.labels.tolist() == [1]  # the class's place among the training folders


def test_images_are_turned_upright(tmp_path):
    image = Image.new("RGB", (2, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = image.getexif()
    exif[0x0112] = 3  # upside down
    for name in ("a", "b"):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            image.save(tmp_path / part / name / "x.png", exif=exif)
    assert load(task(tmp_path)).train.images[0, ..., 0].tolist() == [[0, 0], [0, 255]]


def test_sizes_that_differ_need_an_image_size(split_folder):
    paint(split_folder / "train" / "bee" / "wide.png", size=(7, 5))
    with pytest.raises(UserError, match=r"wide.png is 5 x 7 .* 6 x 6.*Task.image_size"):
        load(task(split_folder))
    data = load(task(split_folder, image_size=4))
    assert data.train.images.shape == (13, 4, 4, 3)


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(stripes).save(tmp_path / part / name / "x.png")
    small = load(task(tmp_path, image_size=2)).train.images
    assert small.min() > 80 and small.max() < 120


def test_images_that_are_not_square_need_an_image_size(tmp_path):
    for name in ("a", "b"):
        for i in range(3):
            paint(tmp_path / name / f"{i}.png", size=(8, 4))
    with pytest.raises(UserError, match=r"4 x 8 .* not square.*Task.image_size"):
        task_info(task(tmp_path))
    assert task_info(task(tmp_path, image_size=4)).image_shape == (4, 4, 3)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_an_unreadable_image_is_named(split_folder, content):
    (split_folder / "train" / "cat" / "2.png").write_bytes(content)
    with pytest.raises(UserError, match=r"cat/2\.png cannot be read"):
        load(task(split_folder))


def test_all_unreadable_images_are_counted(split_folder):
    for name in ("ant/3.png", "bee/0.png", "bee/1.png", "cat/2.png"):
        (split_folder / "train" / name).write_bytes(b"no image")
    message = r"^4 files cannot be read .*ant/3.png, .*bee/0.png, .*bee/1.png and 1 more: restore"
    with pytest.raises(UserError, match=message):
        load(task(split_folder))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_an_image_cut_short_is_named(split_folder, suffix):
    path = split_folder / "test" / "cat" / f"cut{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    load(task(split_folder, image_size=6))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"cat/cut\{suffix} cannot be read"):
        load(task(split_folder, image_size=6))


def test_an_unreadable_first_image_is_named(split_folder):
    (split_folder / "train" / "ant" / "0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"0\.png cannot be read"):
        task_info(task(split_folder))


def test_images_of_16_bits_are_refused(split_folder):
    path = split_folder / "train" / "cat" / "2.png"
    Image.fromarray(np.full((6, 6), 40_000, np.uint16)).save(path)
    with pytest.raises(UserError, match=r"2.png has more than 8 bits"):
        load(task(split_folder))


def test_a_class_that_is_only_tested_is_refused(split_folder):
    paint(split_folder / "test" / "dog" / "0.png")
    with pytest.raises(UserError, match="test/dog is a class without training images"):
        task_info(task(split_folder))


def test_folders_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(UserError, match="has no subfolders"):
        task_info(task(tmp_path))
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="a holds no images"):
        task_info(task(tmp_path))
    paint(tmp_path / "a" / "0.png")
    with pytest.raises(UserError, match="a holds too few images, 1"):
        task_info(task(tmp_path))
    paint(tmp_path / "a" / "1.png")
    with pytest.raises(UserError, match="at least 2 classes"):
        task_info(task(tmp_path))
