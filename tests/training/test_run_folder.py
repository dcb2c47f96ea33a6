"""The run folder: claimed by one configuration, written whole, read with clear errors."""

import os

import pytest

import dvn_tf
from dvn_tf.errors import UserError
from dvn_tf.training.checkpoints import Reached
from dvn_tf.training.run_folder import RunFolder

CONFIG = "# Parameters for Recipe:\nRecipe.epochs = 3\nRecipe.seed = 0\n"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    folder.claim(CONFIG)
    return folder


@pytest.fixture(scope="module")
def network():
    task = dvn_tf.TaskInfo("digits", 10, (8, 8, 1))
    return dvn_tf.DeepVirtualNetwork(
        [task], dvn_tf.UnitTable.by_rule(1, 2), dvn_tf.WideResNet(8, 1)
    )


def test_the_same_configuration_may_claim_again(folder):
    before = (folder.path / "config.gin").read_text()
    folder.claim("# another comment\n" + CONFIG)
    assert (folder.path / "config.gin").read_text() == before


def test_another_configuration_may_not(folder):
    before = (folder.path / "config.gin").read_text()
    with pytest.raises(UserError, match=r"Recipe.seed = 0; asked for: Recipe.seed = 1") as error:
        folder.claim(CONFIG.replace("seed = 0", "seed = 1"))
    assert "--run_dir" in str(error.value)
    assert (folder.path / "config.gin").read_text() == before


@pytest.mark.parametrize("before", ["", "Recipe.jit_compile = False\n"])
def test_a_run_can_be_continued_with_another_way_to_compute_a_step(tmp_path, before):
    """Version 0.5 wrote False where None is the default now, and knew no other such setting."""
    folder = RunFolder(tmp_path)
    folder.claim(CONFIG + before)
    written = (folder.path / "config.gin").read_text()
    folder.claim(CONFIG + "Recipe.jit_compile = None\nRecipe.images_on_device = True\n")
    assert (folder.path / "config.gin").read_text() == written
    with pytest.raises(UserError, match=r"there: Recipe.epochs = 3; asked for: Recipe.epochs = 4"):
        folder.claim(CONFIG.replace("epochs = 3", "epochs = 4") + "Recipe.jit_compile = True\n")


def test_a_run_of_an_earlier_version_can_be_continued_with_the_settings_that_it_knew(tmp_path):
    folder = RunFolder(tmp_path)
    folder.claim(CONFIG)
    added = "low/Task.cache = None\nlow/Task.memory = '2GB'\nlow/Task.resize = 'stretch'\n"
    folder.claim(CONFIG + added)
    with pytest.raises(UserError, match=r"configuration \(low/Task.resize = 'crop'\)"):
        folder.claim(CONFIG + added.replace("stretch", "crop"))
    with pytest.raises(UserError, match=r"configuration \(low/Task.cached = None\)"):
        folder.claim(CONFIG + "low/Task.cached = None\n")


def test_the_configuration_names_the_version_that_trains(folder):
    first, rest = (folder.path / "config.gin").read_text().split("\n", 1)
    assert first == f"# Trained by dvn_tf {dvn_tf.__version__}, training version 2."
    assert rest == CONFIG
    folder.check_training_version()


@pytest.mark.parametrize("header", ["", "# Trained by dvn_tf 0.4.0, training version 3.\n"])
def test_a_run_of_a_version_that_trains_otherwise_is_left_alone(folder, header):
    file = folder.path / "config.gin"
    file.write_text(header + CONFIG)
    with pytest.raises(UserError, match="another version of dvn_tf trained the run") as error:
        folder.claim(CONFIG)
    assert "--run_dir" in str(error.value)
    assert file.read_text() == header + CONFIG


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_text("x")
    with pytest.raises(UserError, match="holds files but no run"):
        RunFolder(tmp_path).claim(CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(UserError, match="cannot make the run folder"):
        RunFolder(tmp_path / "run").claim(CONFIG)


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    half = tmp_path / ".partial-elsewhere-7-00000000-config.gin"
    half.write_text("Recipe.ep")
    RunFolder(tmp_path).claim(CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["config.gin"]


def test_checkpoints_are_listed_by_epoch_and_only_when_whole(folder):
    checkpoints = folder.path / "checkpoints"
    checkpoints.mkdir()
    for name in ("epoch-0010", "epoch-0009", ".partial-7-epoch-0011"):
        (checkpoints / f"{name}.checkpoint").touch()
    (checkpoints / "epoch-0008.weights.h5").touch()  # of version 0.3
    (checkpoints / "epoch-0012.checkpoint.bak").touch()
    assert list(folder.checkpoints()) == [8, 9, 10]


def test_only_the_newest_checkpoints_are_kept(folder, network):
    for epoch in (1, 2, 3):
        folder.save_checkpoint(network, Reached(epoch))
    assert list(folder.checkpoints()) == [2, 3]


def test_no_model_yet(folder):
    with pytest.raises(UserError, match="holds no trained network"):
        folder.load_model()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_model_cut_short(folder, network, share):
    folder.save_model(network)
    file = folder.path / "model.keras"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="not a whole Keras model"):
        folder.load_model()


def test_damaged_results(folder):
    assert folder.results() is None
    folder.write_results({"seed": 0}, {})
    assert folder.results() == {"seed": 0}
    (folder.path / "results.json").write_text('{"seed": ')
    with pytest.raises(UserError, match="is damaged"):
        folder.results()


DAMAGED = {
    "empty": b"",
    "cut": b'{"seed": ',
    "of another type": b"7",
    "of text": b'"text"',
    "a list of numbers": b"[1, 2]",
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "not finite": b'[{"loss": NaN}]',
    "a number of 400 digits": b'{"seed": ' + b"9" * 400 + b"}",
    "bytes": b"\xff\xfe\x00",
}
NO_FILE = {"folder": lambda path: path.mkdir(), "pipe": lambda path: os.mkfifo(path)}
READERS = {
    "results.json": RunFolder.finished,
    "stage.json": RunFolder.stage,
    "history.json": lambda folder: folder.history(3),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", [*DAMAGED, *NO_FILE])
def test_a_damaged_json_file_is_one_line(folder, name, damage):
    (folder.path / "model.keras").touch()
    if damage in NO_FILE:
        NO_FILE[damage](folder.path / name)
    else:
        (folder.path / name).write_bytes(DAMAGED[damage])
    with pytest.raises(UserError, match=rf"{name} is damaged: delete it, and the run's") as raised:
        READERS[name](folder)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"name": "a", "learned": "a", "epochs": 1, "seconds": 1.0, "outputs": {}},
        {"name": "a", "learned": [], "epochs": True, "seconds": 1.0, "outputs": {}},
        {"name": "a", "learned": [], "epochs": 1, "seconds": 1.0, "outputs": {"a/level1": 1}},
        {"name": "a", "learned": [], "epochs": 1, "seconds": None, "outputs": {}},
    ],
)
def test_a_stage_without_what_a_run_reads_from_it(folder, record):
    (folder.path / "model.keras").touch()
    folder.write_stage(record)
    with pytest.raises(UserError, match=r"stage.json is damaged"):
        folder.stage()


@pytest.mark.parametrize("content", [b"\xff\xfe", NO_FILE["folder"], NO_FILE["pipe"]])
def test_a_damaged_configuration_is_one_line(folder, content):
    file = folder.path / "config.gin"
    file.unlink()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        content(file)
    with pytest.raises(UserError, match=r"config\.gin") as raised:
        folder.check(CONFIG)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", NO_FILE)
def test_no_file_in_the_place_of_the_network(folder, kind):
    NO_FILE[kind](folder.path / "model.keras")
    with pytest.raises(UserError, match="holds no trained network"):
        folder.load_model()


def record_of(folder, network) -> dict:
    """A stage's record with the hash of its network."""
    record = {"name": "all", "learned": [], "epochs": 1, "seconds": 1.0, "outputs": {}}
    return record | {"model_sha256": folder.save_model(network)}


def test_a_network_other_than_the_recorded_one_is_not_loaded(folder, network):
    folder.write_stage(record_of(folder, network))
    folder.load_model()
    file = folder.path / "model.keras"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # in a weight, where nothing else would notice
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"model.keras is not a whole Keras model \(its SHA-256"):
        folder.load_model()


def test_a_network_of_a_version_that_recorded_no_hash_is_loaded(folder, network):
    record = record_of(folder, network)
    del record["model_sha256"]
    folder.write_stage(record)
    assert len(folder.load_model().weights) == len(network.weights)


def test_the_same_network_is_the_same_file(folder, network, tmp_path):
    """Whenever it is written, after whatever else the process has built."""
    first = folder.save_model(network)
    loaded = folder.load_model()
    again = RunFolder(tmp_path / "again")
    assert again.save_model(loaded) == first
    assert (again.path / "model.keras").read_bytes() == (folder.path / "model.keras").read_bytes()


def test_a_compiled_network_is_written_without_its_optimizer(folder, network):
    from dvn_tf.networks.network import uncompiled

    assert uncompiled(network) is network
    before = folder.save_model(network)
    other = folder.load_model()
    other.compile("sgd", loss="mse")
    assert folder.save_model(other) != before
    assert folder.save_model(uncompiled(other)) == before


def test_only_locks_and_unfinished_files_leave_a_folder_free(tmp_path):
    with RunFolder(tmp_path).lock():
        RunFolder(tmp_path).claim(CONFIG)
    assert (tmp_path / "config.gin").exists()
