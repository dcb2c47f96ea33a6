import logging
import socket
import time

import pytest
from tensorflow_datasets.core.download import downloader

from dvn_tf.data import Task, check_data_dir, load, task_info
from dvn_tf.errors import UserError


@pytest.fixture
def no_network(monkeypatch):
    """No name resolves, as on a machine without a network; returns the names asked for."""
    asked = []

    def fail(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    return asked


@pytest.mark.parametrize(
    ("dataset", "host", "advice"),
    [
        ("stl10", "ai.stanford.edu", r"tfds.load\('stl10', data_dir='DIR'\).*--data_dir"),
        ("tiny_imagenet", "cs231n.stanford.edu", r"Put tiny-imagenet-200.zip.*downloads/manual"),
    ],
)
def test_without_a_network_the_user_soon_learns_how_to_provide_the_data(
    tmp_path, no_network, caplog, dataset, host, advice
):
    retries, start = downloader.MAX_RETRIES, time.monotonic()
    with pytest.raises(UserError, match=rf"{tmp_path}.*{host}.*{advice}") as caught:
        load(Task("t", dataset), tmp_path)
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)
    assert host in no_network
    assert not any("retry" in record.getMessage().lower() for record in caplog.records)
    # What was set aside for the download is back.
    assert retries == downloader.MAX_RETRIES
    assert logging.getLogger("urllib3.connectionpool").level == logging.NOTSET
    assert list((tmp_path / dataset).glob("*")) == []


def test_data_that_only_its_user_can_fetch_comes_with_tfds_instructions(tmp_path, no_network):
    with pytest.raises(UserError, match=r"'imagenet2012' is not in .*manual_dir") as caught:
        load(Task("t", "imagenet2012", image_size=64), tmp_path)
    assert "\n" not in str(caught.value)
    assert no_network == []


@pytest.mark.parametrize("dataset", ["stl10", "digits"])
@pytest.mark.parametrize("look", [load, task_info])
def test_a_data_folder_that_does_not_exist_is_refused_and_not_made(
    tmp_path, no_network, look, dataset
):
    folder = tmp_path / "mispelt"
    with pytest.raises(UserError, match=rf"{folder} does not exist: check --data_dir"):
        look(Task("t", dataset), folder)
    assert not folder.exists()
    folder.write_text("a file where a folder should be")
    with pytest.raises(UserError, match=rf"{folder} is a file"):
        look(Task("t", dataset), folder)


def test_a_data_folder_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    check_data_dir("~")
    with pytest.raises(UserError, match="~/data does not exist"):
        check_data_dir("~/data")


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path, no_network):
    (tmp_path / "stl10").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=f"is not in {tmp_path}"):
        load(Task("t", "stl10"), tmp_path)
