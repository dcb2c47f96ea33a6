"""From a run folder to an export folder, as the program does it."""

import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import dvn_tf
from dvn_runtime.resident import memory_facts
from dvn_tf import export
from dvn_tf.export.formats import FORMATS, checked_formats
from dvn_tf.export.manifest import ManifestWriter, file_facts
from dvn_tf.training.run_folder import RunFolder


def installed(name):
    try:
        checked_formats([name])
    except dvn_tf.UserError:
        return False
    return True


@pytest.fixture(scope="module")
def exported(run_dir, run_forked):
    """The run exported by the program in its default formats, and the manifest."""
    done = run_forked("experiments.export", f"--run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    folder = run_dir / "export"
    assert str(folder) in done.stdout
    return folder, json.loads((folder / "manifest.json").read_text())


def test_manifest(exported, run_dir):
    folder, manifest = exported
    results = RunFolder(run_dir).results()
    assert manifest["format_version"] == 1
    for key in ("scenario", "method", "seed", "backbone"):
        assert manifest[key] == results[key]
    low = manifest["tasks"]["digits_0-4"]
    assert (low["image_shape"], low["num_classes"]) == ([8, 8, 1], 5)
    assert low["class_names"] == ["0", "1", "2", "3", "4"]
    assert len(low["mean"]) == len(low["std"]) == 1
    assert len(manifest["files"]) == 8
    for entry in manifest["files"]:
        output = results["outputs"][f"{entry['task']}/level{entry['level']}"]
        for key in ("units", "parameters_paper"):
            assert entry[key] == output[key]
        # Of the file itself: folding took the normalization's.
        assert entry["parameters"] < output["parameters"]
        if entry["format"] == "keras":
            loaded = keras.models.load_model(folder / entry["file"])
            assert entry["parameters"] == loaded.count_params()
        assert entry["versions"]["keras"] == keras.__version__
        assert entry["accuracy"] == pytest.approx(output["accuracy"], abs=1e-6)
        assert entry["test_examples"] == {"digits_0-4": 180, "digits_5-9": 180}[entry["task"]]
        assert entry["input"] == {"dtype": "float32", "shape": [8, 8, 1], "range": [0, 255]}
        assert entry["output"] == "logits"
        facts = file_facts(folder / entry["file"])
        assert {key: entry[key] for key in facts} == facts
        assert entry["file"].startswith(f"{entry['format']}/{entry['task']}_level{entry['level']}")


def test_another_format_joins_the_manifest(exported, run_dir, tmp_path):
    if not installed("litert_int8"):
        pytest.skip('ai-edge-litert is not installed: pip install -e ".[export]"')
    folder = shutil.copytree(exported[0], tmp_path / "export")
    before = exported[1]["files"]
    after = export.export_run(
        run_dir, folder, ["litert_int8"], task="digits_5-9", level=1, raw=True
    )
    assert after == json.loads((folder / "manifest.json").read_text())
    assert after["files"][:-1] == before
    entry = after["files"][-1]
    assert entry["file"] == "litert_int8/digits_5-9_level1.tflite"
    assert (entry["input"]["dtype"], entry["output"]) == ("uint8", "probabilities")
    # What the device needs for a budget of memory.
    assert entry["memory"] == memory_facts((folder / entry["file"]).read_bytes())
    assert entry["memory"]["packed"] > entry["bytes"]
    assert entry["accuracy"] > 0.8
    again = export.export_run(run_dir, folder, ["keras"], task="digits_5-9", level=1)
    assert [e["file"] for e in again["files"]] == [e["file"] for e in after["files"]]


@pytest.mark.parametrize(
    ("raw", "logits", "gives"),
    [
        (False, False, {"keras": "logits", "litert": "probabilities"}),
        (True, False, {"keras": "probabilities", "litert": "probabilities"}),
        (False, True, {"keras": "logits", "litert": "logits"}),
        (True, True, {"keras": "logits", "litert": "logits"}),
    ],
)
def test_what_files_take_and_give(run_dir, digits, raw, logits, gives, tmp_path):
    if not installed("litert"):
        pytest.skip('ai-edge-litert is not installed: pip install -e ".[export]"')
    manifest = export.export_run(
        run_dir, tmp_path, ["keras", "litert"], "digits_0-4", 1, raw=raw, logits=logits
    )
    images = digits["low"].test.images[:20]
    for entry in manifest["files"]:
        assert entry["output"] == gives[entry["format"]]
        assert entry["input"]["dtype"] == ("uint8" if raw else "float32")
        run = FORMATS[entry["format"]].open(tmp_path / entry["file"])
        sums = run(images.astype(entry["input"]["dtype"])).sum(axis=-1)
        assert np.allclose(sums, 1, atol=1e-5) == (entry["output"] == "probabilities")


def test_bundle(run_dir, tmp_path):
    names = ["digits_0-4/level1", "digits_5-9/level2"]
    manifest = export.export_bundle(run_dir, names, tmp_path)
    [entry] = manifest["bundles"]
    assert entry["file"] == "bundle/digits_0-4_level1+digits_5-9_level2"
    assert entry["units"] == [1, 2]
    outputs = RunFolder(run_dir).results()["outputs"]
    for name, signature in zip(names, entry["signatures"], strict=True):
        assert signature["signature"] == name.replace("/", "_")
        assert signature["accuracy"] == pytest.approx(outputs[name]["accuracy"], abs=1e-6)
    assert manifest["files"] == []


def test_version_folders_for_serving_and_names_of_classes(run_dir, digits, tmp_path):
    images = digits["low"].test.images[:3].astype("float32")
    options = {"serving": True, "class_names": True}
    formats = ["keras", "tf_saved_model"]
    manifest = export.export_run(run_dir, tmp_path, formats, "digits_0-4", 2, **options)
    files = [entry["file"] for entry in manifest["files"]]
    assert files == ["keras/digits_0-4_level2.keras", "serving/digits_0-4_level2/1"]
    keras_file, folder = (tmp_path / file for file in files)
    outputs = tf.saved_model.load(folder).signatures["serving_default"](tf.constant(images))
    assert outputs["class_names"].numpy().tolist() == 3 * [[b"0", b"1", b"2", b"3", b"4"]]
    expected = keras.models.load_model(keras_file).predict(images, verbose=0)
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
    default = "digits_0-4/level1"
    manifest = export.export_bundle(run_dir, ["all"], tmp_path, default=default, **options)
    [entry] = manifest["bundles"]
    assert (entry["file"], entry["default"]) == ("serving/all/1", default)
    assert "serving_default" in tf.saved_model.load(tmp_path / entry["file"]).signatures


def test_without_the_data_there_is_no_accuracy(run_dir, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "results.json"):
        shutil.copy(run_dir / name, run)
    manifest = export.export_run(run, formats=["keras"], task="digits_0-4", level=1)
    [entry] = manifest["files"]
    assert (entry["accuracy"], entry["test_examples"]) == (None, 0)
    assert "No accuracy is measured" in capsys.readouterr().out
    if installed("litert_int8"):
        with pytest.raises(dvn_tf.UserError, match=r"config\.gin"):
            export.export_run(run, formats=["litert_int8"])


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"task": "cats"}, "there is no task 'cats': the run has digits_0-4, digits_5-9"),
        ({"level": 3}, "there is no level 3: the run has levels 1 to 2"),
        ({"level": 0}, "there is no level 0"),
        ({"formats": ["pickle"]}, "there is no format 'pickle'"),
        ({"formats": []}, "no format was given: choose from keras, tf_saved_model"),
        ({"formats": ["keras"], "serving": True}, "are for SavedModels: add the format tf_saved"),
        ({"export_dir": "/dev/null/export"}, "cannot make the export folder"),
    ],
)
def test_bad_settings(run_dir, tmp_path, setting, message):
    settings = {"export_dir": tmp_path / "export", **setting}
    with pytest.raises(dvn_tf.UserError, match=message):
        export.export_run(run_dir, **settings)
    assert not (tmp_path / "export").exists()


def test_bad_bundle(run_dir, tmp_path):
    with pytest.raises(dvn_tf.UserError, match="no virtual network 'cats/level1' to bundle"):
        export.export_bundle(run_dir, ["cats/level1"], tmp_path)
    with pytest.raises(dvn_tf.UserError, match="default 'digits_5-9/level1' is not in the bundle"):
        export.export_bundle(run_dir, ["digits_0-4/level1"], tmp_path, default="digits_5-9/level1")


def test_names_of_classes_that_nobody_knows(run_dir, tmp_path, monkeypatch):
    load = RunFolder.load_model

    def without_names(folder):
        network = load(folder)
        network.tasks = [dataclasses.replace(task, class_names=()) for task in network.tasks]
        return network

    monkeypatch.setattr(RunFolder, "load_model", without_names)
    with pytest.raises(dvn_tf.UserError, match="classes of task 'digits_0-4' have no names"):
        export.export_run(run_dir, tmp_path, ["tf_saved_model"], class_names=True)


def test_a_default_without_a_bundle(tmp_path, run_forked):
    done = run_forked("experiments.export", f"--run_dir={tmp_path}", "--default=a/level1")
    assert done.returncode == 1
    assert "--default is for bundles" in done.stderr


def test_a_run_that_is_not_finished(tmp_path, run_forked):
    done = run_forked("experiments.export", f"--run_dir={tmp_path}")
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "holds no trained network (model.keras)" in line
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_network_cut_short(run_dir, tmp_path):
    content = (run_dir / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(dvn_tf.UserError, match="is not a whole Keras model"):
        export.export_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_plain_model_is_refused(run_dir, tmp_path):
    plain = RunFolder(run_dir).load_model().extract("digits_0-4", 1)
    plain.save(tmp_path / "model.keras")
    with pytest.raises(dvn_tf.UserError, match="no deep virtual network"):
        export.export_run(tmp_path)


def test_a_folder_that_holds_another_export(run_dir, exported, tmp_path):
    folder = shutil.copytree(exported[0], tmp_path / "export")
    manifest = folder / "manifest.json"
    text = manifest.read_text().replace('"seed": 0', '"seed": 1')
    manifest.write_text(text)
    before = file_facts(folder)
    with pytest.raises(dvn_tf.UserError, match=r"export of another run \(another seed\)"):
        export.export_run(run_dir, folder)
    manifest.write_text(text[:200])
    with pytest.raises(dvn_tf.UserError, match="is damaged"):
        export.export_run(run_dir, folder)
    manifest.write_text(text)
    assert file_facts(folder) == before


def test_a_full_disk_is_reported(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(FORMATS["keras"], "write", _fail)
    with pytest.raises(dvn_tf.UserError, match=r"cannot write .*: no space is left on the device"):
        export.export_run(run_dir, tmp_path, ["keras"])
    assert not (tmp_path / "manifest.json").exists()


def test_a_folder_left_half_written(run_dir, exported, tmp_path):
    folder = shutil.copytree(exported[0], tmp_path / "export")
    before = file_facts(folder / "tf_saved_model")
    # As a kill leaves it: a file half written, a folder half written, and a folder that has
    # stepped aside for its successor.
    (folder / "keras" / ".partial-1-digits_0-4_level1.keras").write_bytes(b"half")
    saved = folder / "tf_saved_model"
    (saved / ".new-digits_0-4_level1").mkdir()
    (saved / "digits_0-4_level1").rename(saved / ".old-digits_0-4_level1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvn_tf.export.saved_model.write_saved_model", _fail)
        with pytest.raises(dvn_tf.UserError, match="no space is left on the device"):
            export.export_run(run_dir, folder, ["tf_saved_model"], "digits_0-4", 1)
    assert file_facts(saved) == before
    assert not list(folder.rglob(".*"))


def _fail(*_):
    raise OSError(28, "No space left on device")


def test_entries_are_replaced_by_file(tmp_path):
    manifest = ManifestWriter(tmp_path, {"seed": 0})
    manifest.add({"file": "a", "bytes": 1})
    manifest.add({"file": "b", "bytes": 2})
    manifest.add({"file": "a", "bytes": 3})
    assert ManifestWriter(tmp_path, {"seed": 0}).content()["files"] == [
        {"file": "a", "bytes": 3},
        {"file": "b", "bytes": 2},
    ]


def test_an_export_of_version_0_1_0_goes_on(tmp_path):
    written = pathlib.Path(__file__).parents[1] / "runtime" / "export_0.1.0" / "manifest.json"
    shutil.copy(written, tmp_path)
    before = json.loads(written.read_text())
    about = {key: before[key] for key in ("scenario", "method", "seed", "backbone", "tasks")}
    manifest = ManifestWriter(tmp_path, about)
    assert manifest.content() == before
    manifest.add({"file": "new"})
    after = json.loads((tmp_path / "manifest.json").read_text())
    assert after["files"] == [*before["files"], {"file": "new"}]
