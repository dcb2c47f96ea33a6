"""A dataset's name and files are data: TFDS runs no code that they name."""

import json

import pytest

from dvn_tf.data import Task, task_info
from dvn_tf.errors import UserError


@pytest.mark.parametrize(
    "dataset",
    [
        "kaggle:cats",
        "huggingface:cifar10",
        "user:cifar10",
        "cifar10/data_dir=elsewhere",
        "cifar10:3.0.2/config=x",
        "cifar10/..",
        "../cifar10",
        "/cifar10",
        "cifar10/.hidden",
        "cifar10:",
        "cifar10:experimental_latest",
        "cifar10\n",
        "fоlder",  # the second letter is Cyrillic
    ],
)
def test_names_of_other_forms_are_refused(dataset, tmp_path):
    with pytest.raises(UserError) as error:
        task_info(Task("t", dataset), tmp_path)
    assert "\n" not in str(error.value)
    assert "dataset" in str(error.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("dataset", ["cifar10", "cifar10:3.*.*", "cifar10:3.0.2", "Cifar10"])
def test_names_of_tfds_are_taken(dataset, tfds_dir):
    assert task_info(Task("t", dataset), tfds_dir).num_classes == 10


def test_a_prepared_dataset_imports_no_module_that_it_names(tmp_path, monkeypatch):
    """As in a folder that a stranger sent, with a module in it, below the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "data" / "sent" / "1.0.0"
    folder.mkdir(parents=True)
    (tmp_path / "data" / "hostile.py").write_text("open('marker', 'w').close()\n")
    info = {"name": "sent", "version": "1.0.0", "fileFormat": "tfrecord"}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    features = {"pythonClassName": "data.hostile.Feature", "jsonFeature": {"json": "{}"}}
    (folder / "features.json").write_text(json.dumps(features))
    for dataset in ("sent", "sent:1.0.0"):
        with pytest.raises(UserError, match=r"a class outside of TFDS") as error:
            task_info(Task("t", dataset), "data")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "marker").exists()
