"""Decoded, encoded or read from files: the same images, and memory as it is allowed."""

import dataclasses
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from dvn_tf import machine
from dvn_tf.data import Task, caches, encoded, folders, load, pipelines
from dvn_tf.data.records import record_places
from dvn_tf.data.tasks import CACHES
from dvn_tf.errors import UserError
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.training import configuration, fitting
from dvn_tf.training.run_folder import RunFolder

LAZY = ("encoded", "files")


def paint(path, width, height, seed):
    """An image file of blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of 20 images in several sizes and formats."""
    root = tmp_path_factory.mktemp("images")
    for number in range(40):
        suffix = (".jpg", ".png", ".bmp")[number % 3]
        size = 8 + number % 4, 8 + number % 3
        paint(root / ("ant", "bee")[number % 2] / f"{number:02}{suffix}", *size, number)
    return root


@pytest.fixture(scope="module")
def mocked():
    """A dataset of TFDS whose images differ in size; its records cannot be read at random."""
    with tfds.testing.mock_data(num_examples=20):
        yield


def load_folder(folder, **settings):
    return load(Task("t", f"folder:{folder}", image_size=8, **settings))


def batches(data, share=pipelines.ALL, epochs=2):
    outputs = {data.task.name: ["t/level1"]}
    trained = pipelines.training_dataset([data], outputs, 6, 3, 0, epochs, share=share)
    tested = pipelines.evaluation_dataset([data], outputs, 6, share=share)
    return [*trained.as_numpy_iterator(), *tested.as_numpy_iterator()]


def assert_same_data(one, other):
    for part in ("train", "test"):
        mine, others = getattr(one, part), getattr(other, part)
        np.testing.assert_array_equal(np.asarray(mine.images), np.asarray(others.images))
        np.testing.assert_array_equal(mine.labels, others.labels)
    assert one.info == other.info
    for left, right in zip(batches(one), batches(other), strict=True):
        for mine, others in zip(left, right, strict=True):
            assert mine.keys() == others.keys()
            for name in mine:
                np.testing.assert_array_equal(mine[name], others[name])


@pytest.mark.parametrize("cache", LAZY)
def test_a_folder_gives_the_same_whatever_is_held(folder, cache):
    decoded = load_folder(folder, cache="decoded")
    assert isinstance(decoded.train.images, np.ndarray)
    lazy = load_folder(folder, cache=cache)
    assert isinstance(lazy.train.images, encoded.LazyImages)
    assert_same_data(lazy, decoded)
    files = [path for path in folder.rglob("*") if path.is_file()]
    held = lazy.train.images.nbytes + lazy.test.images.nbytes
    assert held == (sum(path.stat().st_size for path in files) if cache == "encoded" else 0)


def test_a_dataset_of_varying_size_gives_the_same(mocked):
    task = {"dataset": "oxford_flowers102", "image_size": 24, "classes": "0-101"}
    decoded = load(Task("t", cache="decoded", **task))
    assert_same_data(load(Task("t", cache="encoded", **task)), decoded)
    with pytest.raises(UserError, match=r"cannot be read image by image.*cache 'encoded'"):
        load(Task("t", cache="files", **task))


@pytest.mark.slow
def test_the_same_weights_are_trained_whatever_is_held(folder, tmp_path):
    scenario, recipe, config = configuration.read_config(
        ["gin/quickstart.gin"],
        ["WideResNet.width = 1", "Recipe.epochs = 2", "Recipe.batch_size = 4"],
    )
    trained = {}
    for cache in CACHES:
        task = {"dataset": f"folder:{folder}", "classes": None, "image_size": 8, "cache": cache}
        tasks = [dataclasses.replace(each, **task) for each in scenario.tasks]
        task_data = [load(each) for each in tasks]
        fitting.prepare_backend(recipe)
        network = fitting.build_network(scenario, [d.info for d in task_data], recipe)
        run = RunFolder(tmp_path / cache)
        run.claim(config)
        objective = joint_objective(network.virtual_networks)
        before = network.get_weights()
        fitting.train(network, task_data, network.outputs_by_task, objective, recipe, run, [])
        trained[cache] = network.get_weights()
        assert any((one != other).any() for one, other in zip(before, trained[cache], strict=True))
    for cache in LAZY:
        for one, other in zip(trained[cache], trained["decoded"], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"image_size": 20}], ids=["own size", "resized"])
def test_records_give_the_same_whatever_is_held(tfds_dir, settings):
    task = {"dataset": "cifar100", "classes": "50,0-40", "train_split": "train[5:90%]", **settings}
    decoded = load(Task("t", cache="decoded", **task), tfds_dir)
    for cache in LAZY:
        assert_same_data(load(Task("t", cache=cache, **task), tfds_dir), decoded)


@pytest.mark.slow
def test_records_in_several_files_keep_their_order(tmp_path):
    """TFDS reads 16 examples of one file, then of the next."""

    class Sharded(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(4, 4, 1)),
                "label": tfds.features.ClassLabel(num_classes=2),
            }
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(150), "test": self._generate_examples(20)}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, {"image": np.full((4, 4, 1), number, np.uint8), "label": number % 2}

    config = tfds.download.DownloadConfig(num_shards=3)
    Sharded(data_dir=tmp_path).download_and_prepare(download_config=config)
    shards = sorted(tmp_path.rglob("*train.tfrecord*"))
    assert [len(record_places(str(shard))) for shard in shards] == [50, 50, 50]
    decoded, files = (load(Task("t", "sharded", cache=c), tmp_path) for c in ("decoded", "files"))
    order = decoded.train.images[:, 0, 0, 0]
    assert set(order) == set(range(150))
    np.testing.assert_array_equal(np.asarray(files.train.images)[:, 0, 0, 0], order)


def test_a_process_decodes_its_share_alone(folder, monkeypatch):
    decoded = []
    pixels = folders.FolderImages._pixels

    def counting(self, path, content):
        decoded.append(path)
        return pixels(self, path, content)

    data = load_folder(folder, cache="files")
    monkeypatch.setattr(folders.FolderImages, "_pixels", counting)
    batches(data, pipelines.Share(1, 3), epochs=1)
    # 6 batches of 32 images for training, 2 of 8 for testing, a third of each. The last test
    # images are filled up with one that is there, which is decoded once a batch at most.
    assert len(decoded) == 6 * 2 + 2 * 2 - 1


def test_lazy_images_are_used_like_an_array():
    whole = np.random.default_rng(0).integers(0, 256, (50, 3, 3, 1), np.uint8)
    used = set()

    def decode(position):
        used.add(threading.current_thread().name)
        return whole[position]

    images = encoded.LazyImages(whole.shape, decode, 0)
    positions = np.array([3, 49, 3, 0, -1])
    shuffled = np.random.default_rng(1).permutation(50)
    chosen = whole[:, 0, 0, 0] > 100
    for wanted in (7, slice(2, 30, 3), slice(60, 70), positions, shuffled, chosen):
        np.testing.assert_array_equal(images[wanted], whole[wanted])
    np.testing.assert_array_equal(np.asarray(images), whole)
    assert len(images) == 50 and images.dtype == whole.dtype and images.ndim == whole.ndim
    assert len(used) > 1  # in several threads
    with pytest.raises(IndexError):
        images[50]


ALL_DECODED = 40 * 64 * 64 * 3  # bytes


@pytest.mark.parametrize(
    ("memory", "cache"),
    [("1MB", "decoded"), (ALL_DECODED, "decoded"), (ALL_DECODED - 1, "encoded"), ("1kB", "files")],
)
def test_the_first_way_that_fits_is_taken_and_said(folder, capfd, memory, cache):
    data = load(Task("t", f"folder:{folder}", image_size=64, memory=memory), show_progress=True)
    assert isinstance(data.train.images, np.ndarray) == (cache == "decoded")
    assert capfd.readouterr().out == {
        "decoded": "",
        "encoded": "Task t: 32 training and 8 test images, held encoded in 0.0 MB of memory\n",
        "files": "Task t: 32 training and 8 test images, read from their files whenever they are "
        "needed\n",
    }[cache]  # fmt: skip


@pytest.mark.parametrize(
    ("available", "cache"),
    [
        (None, "decoded"),
        (2 * ALL_DECODED, "decoded"),
        (2 * ALL_DECODED - 1, "encoded"),
        (1, "files"),
    ],
)
def test_half_of_what_is_free_is_taken(folder, monkeypatch, available, cache):
    monkeypatch.setattr(machine, "available_memory", lambda: available)
    source = folders.Folder(folder, image_size=64)
    splits = [source.encoded(split, lambda y: np.arange(len(y))) for split in ("train", "test")]
    assert caches.choose_cache(Task("t", f"folder:{folder}"), splits) == cache


@pytest.mark.parametrize("cache", ["decoded", "encoded"])
def test_a_way_that_takes_too_much_is_refused(folder, cache):
    with pytest.raises(UserError, match=r"^Task 't': its images take .* than memory '5kB' allows"):
        load_folder(folder, cache=cache, memory="5kB")


def test_more_encoded_images_than_memory_holds(folder, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 1000)
    with pytest.raises(
        UserError, match=r"encoded images of \S+ take 0\.0 MB of memory, and 0\.0 MB"
    ):
        load_folder(folder, cache="encoded")


def test_arrays_are_held_decoded():
    data = load(Task("t", "digits", cache="decoded", memory="1MB"))
    assert isinstance(data.train.images, np.ndarray)
    with pytest.raises(UserError, match=r"'digits' gives decoded images alone.*'files'"):
        load(Task("t", "digits", cache="files"))
    with pytest.raises(UserError, match=r"its images take 0\.1 MB"):
        load(Task("t", "digits", memory="100kB"))


@pytest.mark.parametrize("memory", ["2 parameters", "much", "-1GB", "0", "1e9"])
def test_memory_that_cannot_be_read(memory):
    with pytest.raises(UserError, match=r"Task 't': memory .* cannot be read. Write bytes"):
        Task("t", "digits", memory=memory)


@pytest.mark.parametrize("cache", CACHES)
def test_damaged_files_are_named_at_the_start(tmp_path, cache):
    for number in range(10):
        paint(tmp_path / ("ant", "bee")[number % 2] / f"{number}.png", 8, 8, number)
    (tmp_path / "ant" / "x.png").write_bytes((tmp_path / "ant" / "0.png").read_bytes()[:60])
    (tmp_path / "bee" / "y.png").symlink_to("nowhere")
    (tmp_path / "bee" / "z.png").mkdir()
    with pytest.raises(UserError, match=r"^[23] files cannot be read as images: \S+/ant/x\.png"):
        load(Task("t", f"folder:{tmp_path}", cache=cache, test_fraction=0.1))


@pytest.mark.parametrize("cache", LAZY)
def test_files_that_change_afterwards(tmp_path, cache):
    for number in range(10):
        paint(tmp_path / ("ant", "bee")[number % 2] / f"{number}.png", 8, 8, number)
    data = load(Task("t", f"folder:{tmp_path}", cache=cache))
    before = data.train.images[0]
    (tmp_path / "ant" / "2.png").write_bytes(b"")
    if cache == "encoded":
        np.testing.assert_array_equal(data.train.images[0], before)
    else:
        with pytest.raises(UserError, match=r"2\.png cannot be read as an image"):
            np.asarray(data.train.images)
        message = r"^\S*2\.png cannot be read as an image: [\w ]+\.$"
        with pytest.raises(UserError, match=message), pipelines.reading_errors():
            batches(data)


def test_a_run_goes_on_whatever_is_held(tmp_path):
    def config(*params):
        return configuration.read_config(["gin/quickstart.gin"], params)[2]

    run = RunFolder(tmp_path / "run")
    run.claim(config())
    run.check(config("Task.cache = 'decoded'", "low/Task.memory = '1GB'"))
    # As versions before these settings wrote it.
    file = tmp_path / "run" / "config.gin"
    written = file.read_text()
    lines = [line for line in written.splitlines() if "cache" not in line and "resize" not in line]
    file.write_text("\n".join(line for line in lines if "memory" not in line))
    assert len(file.read_text()) < len(written)
    run.check(config())

    other = RunFolder(tmp_path / "other")
    other.claim(config("Task.image_size = 8"))
    with pytest.raises(UserError, match=r"another configuration \(\w+/Task\.resize = 'crop'\)"):
        other.check(config("Task.image_size = 8", "Task.resize = 'crop'"))
