"""What processes do together; here they are threads, each with its connection to the hub."""

import random
import socket
import time

import pytest
from distribution.meeting import Meeting

from dvn_tf.distribution import ALONE, Place, joining
from dvn_tf.errors import UserError


@pytest.fixture
def three(monkeypatch):
    meeting = Meeting(3, monkeypatch)
    yield meeting
    meeting.each(lambda process: process.leave())
    time.sleep(0.1)


def test_all_hear_what_all_say(three):
    assert three.each(lambda p: p.gather("a", p.index * 10)) == [[0, 10, 20]] * 3
    assert three.each(lambda p: p.first("b", lambda: {"did": p.index})) == [{"did": 0}] * 3
    assert [p.is_first for p in three.processes] == [True, False, False]


def test_nobody_passes_before_all_are_there(three):
    passed = []

    def pass_barrier(process):
        time.sleep(0.3 * process.index)
        before = time.monotonic()
        process.gather("barrier")
        passed.append((before, time.monotonic()))

    three.each(pass_barrier)
    assert min(after for _, after in passed) >= max(before for before, _ in passed)


def test_processes_that_differ(three):
    def agree(process):
        process.agree({"seed": "1", "lines": ["a", f"b = {process.index == 2}", "c"]})

    for error in three.each(agree):
        assert isinstance(error, UserError)
        text = "process 2 of 3 has another lines ('b = True') than process 0 ('b = False')"
        assert str(error).startswith(text)
    assert three.each(lambda p: p.agree({"seed": "1"})) == [None] * 3


@pytest.mark.parametrize("seed", range(5))
def test_all_stop_after_the_same_step(three, seed):
    """Without waiting for each other between the steps."""
    draw = random.Random(seed)
    asker, when = draw.randrange(3), draw.randrange(1, 30)
    pauses = {p.index: draw.random() * 0.01 for p in three.processes}

    def train(process):
        for step in range(1, 1000):
            time.sleep(pauses[process.index])
            if process.index == asker and step == when:
                process.ask_to_stop()
            if process.stops_here():
                return step
        return None

    [step, *others] = three.each(train)
    assert step is not None and step >= when and others == [step, step]


def test_a_stop_that_comes_too_late_for_a_stage_ends_the_next(three):
    def train(process):
        for stage, steps in ((1, 3), (2, 5)):
            for step in range(1, steps + 1):
                if process.index == 1 and (stage, step) == (1, 3):
                    # The others have passed the stage's last step: all agree on the one after it.
                    while any(p._point != 3 for p in three.processes if p is not process):
                        time.sleep(0.01)
                    process.ask_to_stop()
                    time.sleep(0.2)
                if process.stops_here():
                    return stage, step
            process.gather("stage")
        return None

    assert three.each(train) == [(2, 1)] * 3


def test_one_that_leaves_without_a_word(three):
    three.processes[2]._connection.close()
    three.wait_for_lines(3)
    lines = dict(three.lines)
    assert "process 2 of 3 (host " in lines[0] and "is gone: start all again" in lines[0]
    assert lines[1] == lines[0]


def test_one_that_fails(three):
    three.processes[1].fail(UserError("the disk is full"))
    three.wait_for_lines(2)
    assert all(line.endswith("ended: the disk is full") for _, line in three.lines)
    assert {index for index, _ in three.lines} == {0, 2}


def test_one_that_does_not_come(monkeypatch):
    with pytest.raises(UserError, match="processes 1 of 2 did not come within"):
        Meeting(2, monkeypatch, indices=[0], seconds=1)


def test_the_first_one_does_not_come(monkeypatch):
    with pytest.raises(UserError, match="process 1 of 2 cannot reach process 0 at"):
        Meeting(2, monkeypatch, indices=[1], seconds=1)


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place(0, 2, "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UserError, match="cannot wait for the other processes at"):
            joining._meet(place, 5)


def test_strangers_are_not_let_in(three):
    port = three.processes[0]._hub._server.getsockname()[1]
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"7\n", b"1\n", b"\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
            stranger.sendall(greeting)
            answer = stranger.makefile("rb").read()
            assert b"refused" in answer
    assert three.each(lambda p: p.gather("still")) == [[None] * 3] * 3
    assert three.lines == []


def test_a_process_by_itself():
    assert ALONE.gather("a", 3) == [3]
    assert ALONE.first("a", lambda: 4) == 4
    ALONE.agree({"a": "b"})
    ALONE.ask_to_stop()
    assert not ALONE.stops_here()
