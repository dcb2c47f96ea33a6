import io
import re
import sys
import time

import pytest
from PIL import Image
from tqdm import tqdm

from dvn_tf.data import Task, load, progress


class Terminal(io.StringIO):
    """What a terminal gets."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand: `clock[0]` is the time in seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def folder(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_a_library_shows_nothing(folder, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    load(Task("t", f"folder:{folder}"))
    assert sys.stderr.getvalue() == sys.stdout.getvalue() == ""


def test_a_terminal_shows_one_line_that_is_redrawn_and_then_cleared(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Terminal())
    load(Task("t", f"folder:{folder}"), show_progress=True)
    shown = sys.stderr.getvalue()
    redrawn = shown.split("\r")
    assert any(re.match(rf"Reading {folder}: +0%.* 0/8 ", line) for line in redrawn)
    assert "\n" not in shown
    assert redrawn[-1].strip() == redrawn[-2].strip() == ""
    assert capsys.readouterr().out == ""  # no file was skipped


def test_a_log_gets_a_plain_line_now_and_then(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.shown(True), progress.counter(100, "Reading") as counter:
        counter.mininterval = 0
        for _ in range(100):
            counter.update()
            clock[0] += 1
    lines = sys.stderr.getvalue().splitlines()
    assert [re.search(r"(\d+)/100", line)[1] for line in lines] == ["31", "61", "91"]
    assert all(line.isprintable() and line.startswith("Reading:") for line in lines)


@pytest.mark.parametrize("show", [True, False])
def test_progress_bars_of_a_library_are_shown_alike(monkeypatch, clock, show):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.shown(show), progress.redirected():
        for _ in tqdm(range(2), "splits"):
            for _ in tqdm(range(50), "examples", mininterval=0, leave=False):
                clock[0] += 1
                for _ in tqdm(range(2), "third", mininterval=0, leave=False):
                    pass
            print("a warning", "of two words", file=sys.stderr)
    lines = sys.stderr.getvalue().splitlines()
    assert lines.count("a warning of two words") == 2
    shown = [line for line in lines if "examples" in line or "third" in line]
    assert len(shown) == (3 if show else 0)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(shown) + 2


def test_without_stderr_nothing_is_shown(folder, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(load(Task("t", f"folder:{folder}"), show_progress=True).train) == 8
