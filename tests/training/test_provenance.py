"""Where a result comes from."""

import datetime
import os
import platform
import subprocess

import keras
import pytest
import tensorflow as tf

import dvn_tf
from dvn_tf.training import provenance as module
from dvn_tf.training.provenance import provenance


def test_versions_and_machine():
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    made = provenance()
    assert before <= datetime.datetime.fromisoformat(made["finished"])
    assert datetime.datetime.fromisoformat(made["finished"]) <= datetime.datetime.now(datetime.UTC)
    assert made["dvn_tf"] == dvn_tf.__version__
    assert (made["keras"], made["python"]) == (keras.__version__, platform.python_version())
    assert (made["backend"], made["backend_version"]) == ("tensorflow", tf.__version__)
    assert made["cores"] == len(os.sched_getaffinity(0))
    assert made["device"]


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("old")
    git("add", "file")
    git("commit", "-qm", "first")
    return tmp_path, git("rev-parse", "HEAD")


def test_the_commit_of_a_checkout_says_whether_files_were_changed(checkout):
    folder, commit = checkout
    (folder / "notes").write_text("not under version control")
    assert module._commit(folder) == commit
    (folder / "file").write_text("new")
    assert module._commit(folder) == commit + "+"


def test_outside_of_a_checkout_there_is_no_commit(checkout):
    folder, _ = checkout
    installed = folder / "site-packages"
    installed.mkdir()
    assert module._commit(installed) is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert module._commit(checkout[0]) is None
