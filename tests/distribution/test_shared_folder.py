"""One run folder, several processes: the first writes, the others read."""

import pytest
from distribution.meeting import Meeting

from dvn_tf.distribution.hub import Hub
from dvn_tf.errors import UserError
from dvn_tf.training import shared_folder
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.shared_folder import SharedRunFolder

CONFIG = "Recipe.epochs = 3\n"


@pytest.fixture
def two(monkeypatch):
    meeting = Meeting(2, monkeypatch)
    yield meeting
    meeting.each(lambda process: process.leave())


def test_the_first_writes_and_all_know(two, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        RunFolder, "write_stage", lambda folder, record: written.append(record) or folder.touch()
    )
    monkeypatch.setattr(
        RunFolder, "touch", lambda folder: (folder.path / "stage.json").touch(), raising=False
    )

    def work(process):
        folder = SharedRunFolder(tmp_path / "run", process)
        before = folder.is_claimed()
        with folder.lock():
            folder.claim(CONFIG)
            folder.write_history([{"loss": float(process.index)}])
            folder.write_stage({"of": process.index})
            return folder.writes, before, folder.is_claimed(), folder.inside("a").writes

    assert two.each(work) == [(True, False, True, True), (False, False, True, False)]
    assert written == [{"of": 0}]
    assert RunFolder(tmp_path / "run").history(1) == [{"loss": 0.0}]


def test_folders_that_are_not_shared(two, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "_SEEN_AFTER", 0.3)

    def work(process):
        SharedRunFolder(tmp_path / str(process.index), process).claim(CONFIG)

    first, second = two.each(work)
    assert first is None
    assert isinstance(second, UserError)
    assert "process 1 of 2 does not see config.gin" in str(second)
    assert not (tmp_path / "1").exists()


def test_what_the_first_cannot_write_ends_it(two, tmp_path, monkeypatch):
    monkeypatch.setattr(Hub.close, "__defaults__", (0.5,))  # the other is a thread, and goes on
    (tmp_path / "run").mkdir()
    (tmp_path / "run/stranger").touch()

    def work(process):
        try:
            SharedRunFolder(tmp_path / "run", process).claim(CONFIG)
        except UserError as error:
            process.fail(error)
            raise

    first = two.pool.submit(work, two.processes[0])
    assert "holds files but no run" in str(first.exception())
    two.wait_for_lines(1)
    [(index, line)] = two.lines
    assert index == 1 and "ended: " in line and "holds files but no run" in line
