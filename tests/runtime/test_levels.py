"""A level that rises and falls by increments, against Keras."""

import json
import shutil

import numpy as np
import pytest

from dvn_runtime import LevelPredictor, upgrade
from dvn_runtime.errors import RefusedFileError, UserError
from dvn_runtime.manifest import read_manifest

pytest.importorskip("ai_edge_litert")
TASK = "digits_5-9"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An export of an untrained run with three causal levels, and probabilities by Keras."""
    from dvn_tf import data
    from dvn_tf.export import export_increments, export_run
    from dvn_tf.networks.network import load_network
    from dvn_tf.training import configuration
    from dvn_tf.training.run_folder import RunFolder
    from dvn_tf.training.runs import run

    folder = tmp_path_factory.mktemp("levels") / "run"
    settings = [
        "Recipe.epochs = 1",
        "WideResNet.width = 1",
        "Task.train_examples = 100",
        "DVN.causal = True",
        "Scenario.num_units = 3",
    ]
    experiment = configuration.read_experiment(["gin/quickstart.gin"], settings)
    run(experiment, RunFolder(folder))
    export_run(folder, formats=["litert"], task=TASK)
    export_increments(folder, formats=["litert"])
    images = data.load(experiment.scenario.tasks[1]).test.images[:5]
    network = load_network(folder / "model.keras")
    answers = {}
    for level in (1, 2, 3):
        logits = network.extract(TASK, level).predict(images.astype("float32"), verbose=0)
        powers = np.exp(logits)
        answers[level] = powers / powers.sum(axis=1, keepdims=True)
    return folder / "export", images, answers


@pytest.fixture
def export(made, tmp_path):
    """A copy of the export to damage."""
    shutil.copytree(made[0], tmp_path / "export")
    return tmp_path / "export"


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_levels_rise_and_fall_and_answer_as_keras_does(made):
    folder, images, answers = made
    with LevelPredictor(folder, TASK) as predictor:
        assert (predictor.level, predictor.highest_level) == (1, 3)
        for number, image in enumerate(images):
            close(predictor.predict(image), answers[1][number])
            for level in (2, 3):
                predictor.upgrade()
                close(predictor.refine(), answers[level][number])
            close(predictor.predict(image.astype("float32")), answers[3][number])
            for level in (2, 1):
                predictor.downgrade()
                close(predictor.refine(), answers[level][number])
    with LevelPredictor(folder, TASK, level=3) as predictor:
        close(predictor.predict(images[0]), answers[3][0])


def test_to_refine_computes_what_is_new_alone(made, monkeypatch):
    folder, images, _ = made
    predictor = LevelPredictor(folder, TASK, level=2)
    predictor.predict(images[0])
    predictor.upgrade()
    ran = []
    for loaded in predictor._loaded:
        level, run = loaded.increment.network.level, loaded.run
        monkeypatch.setattr(
            loaded, "run", lambda inputs, level=level, run=run: (ran.append(level), run(inputs))
        )
    predictor.refine()
    assert ran == [3]
    predictor.refine()
    assert ran == [3]
    predictor.predict(images[1])
    assert ran == [3, 1, 2, 3]


def test_bytes_are_those_of_the_loaded_files(made):
    folder, _, _ = made
    entries = json.loads((folder / "manifest.json").read_text())["increments"]
    sizes = [entry["bytes"] for entry in entries if entry["task"] == TASK]
    predictor = LevelPredictor(folder, TASK)
    for level in (1, 2, 3):
        assert predictor.bytes == sum(sizes[:level])
        if level < 3:
            predictor.upgrade()


def test_what_cannot_be_done_is_said(made):
    folder, images, _ = made
    predictor = LevelPredictor(folder, TASK)
    with pytest.raises(UserError, match="call predict first"):
        predictor.refine()
    with pytest.raises(UserError, match="level 1 is the lowest"):
        predictor.downgrade()
    with pytest.raises(UserError, match="one image at a time, not 5"):
        predictor.predict(images)
    with pytest.raises(UserError, match="takes images of shape"):
        predictor.predict(images[0, :4])
    predictor.upgrade()
    predictor.upgrade()
    with pytest.raises(UserError, match="level 3 is the highest"):
        predictor.upgrade()
    predictor.close()
    with pytest.raises(UserError, match="is closed"):
        predictor.predict(images[0])
    for level in (0, 4, True, "2"):
        with pytest.raises(UserError, match="whole number from 1 to 3"):
            LevelPredictor(folder, TASK, level=level)
    with pytest.raises(UserError, match="no increments of task 'cats'"):
        LevelPredictor(folder, "cats")


def test_a_damaged_increment_is_refused_and_the_level_stays(export, made):
    _, images, answers = made
    path = export / "increments" / "litert" / f"{TASK}_level2.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    predictor = LevelPredictor(export, TASK)
    with pytest.raises(RefusedFileError, match="SHA-256"):
        predictor.upgrade()
    assert predictor.level == 1
    close(predictor.predict(images[0]), answers[1][0])
    path.unlink()
    with pytest.raises(RefusedFileError, match="the file is missing"):
        predictor.upgrade()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adds_to": None}, "does not fit the levels below"),
        ({"inputs": {}}, "does not fit the levels below"),
        ({"inputs": {"activation1": [8, 8, 4]}}, "does not fit the levels below"),
        ({"inputs": {"activation1": [8, -1, 16]}}, "positive numbers"),
        ({"inputs": {"activation1": [2**14, 2**15]}}, "positive numbers"),
        ({"inputs": {"activation1": "8 8"}}, "of type list"),
        ({"outputs": {"logits": [4]}}, "does not fit the levels below"),
        ({"outputs": {"logits": [5], "activation1": [8, 8, 16]}}, "does not fit"),
        ({"inputs": [1]}, "of type Mapping"),
        ({"level": 3}, "listed twice"),
        ({"file": "../level2.tflite"}, "inside the export folder"),
        ({"bytes": 0}, "at least 1"),
    ],
)
def test_a_wrong_manifest_is_refused(export, change, message):
    path = export / "manifest.json"
    manifest = json.loads(path.read_text())
    [entry] = [e for e in manifest["increments"] if (e["task"], e["level"]) == (TASK, 2)]
    entry.update(change)
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        LevelPredictor(export, TASK)


def test_a_manifest_without_increments_is_read(export):
    path = export / "manifest.json"
    manifest = json.loads(path.read_text())
    assert len(read_manifest(export).increments) == 6
    del manifest["increments"]
    path.write_text(json.dumps(manifest))
    assert read_manifest(export).increments == ()
    with pytest.raises(UserError, match=r"experiments\.export --increments"):
        LevelPredictor(export, TASK)


def test_upgrades_are_measured(made, tmp_path, capsys):
    folder, _, _ = made
    target = tmp_path / "upgrade.json"
    assert upgrade.main([str(folder), f"--task={TASK}", "--rounds=3", f"--json={target}"]) == 0
    figures = json.loads(target.read_text())
    entries = json.loads((folder / "manifest.json").read_text())
    sizes = {
        kind: {e["level"]: e["bytes"] for e in entries[kind] if e["task"] == TASK}
        for kind in ("files", "increments")
    }
    assert [row["level"] for row in figures["upgrades"]] == [2, 3]
    for row in figures["upgrades"]:
        assert row["increment"]["bytes"] == sizes["increments"][row["level"]]
        assert row["whole"]["bytes"] == sizes["files"][row["level"]]
        assert all(row[way][key] > 0 for way in ("increment", "whole") for key in ("load", "run"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| task | to level |")
    assert len(lines) == 4
    with pytest.raises(UserError, match="no network of task 'digits_0-4', level 2"):
        upgrade.main([str(folder), "--rounds=1"])
    with pytest.raises(UserError, match="rounds must be from 1"):
        upgrade.main([str(folder), "--rounds=0"])
