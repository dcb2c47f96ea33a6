"""The run folder: claimed by one configuration, written whole, read with clear errors."""

import os

import pytest

import dvn_tf
from dvn_tf.errors import UserError
from dvn_tf.files import atomic_file, write_json, write_text
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


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new" / "file.txt"
    write_text(file, "old")
    with pytest.raises(KeyError), atomic_file(file) as temporary:
        temporary.write_text("ne")
        raise KeyError
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]
    write_json(file, {"a": [1]})
    assert '"a"' in file.read_text()


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
    half = tmp_path / f".partial-{os.getpid()}-config.gin"
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
        folder.save_checkpoint(network, epoch)
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
    folder.write_results({"seed": 0})
    assert folder.results() == {"seed": 0}
    (folder.path / "results.json").write_text('{"seed": ')
    with pytest.raises(UserError, match="is damaged"):
        folder.results()
