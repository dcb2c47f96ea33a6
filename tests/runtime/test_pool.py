"""The pool under threads, with networks that only record what happens to them."""

import threading
import time

import pytest

from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedNetwork
from dvn_runtime.network import RefusedFileError
from dvn_runtime.pool import NetworkPool


def entry(task, level, size):
    return ExportedNetwork(
        f"{task}{level}", "litert", task, level, "float32", "logits", size, size, 0.5, "0" * 64
    )


class Recorder:
    """Loads networks that do nothing, and watches what is in memory."""

    def __init__(self):
        self.events = []
        self.held = {}
        self.limit = None
        self.peak = 0
        self.broken = set()

    def load(self, network):
        if network.file in self.broken:
            raise RefusedFileError(network.file)
        self.events.append(f"+{network.file}")
        self.held[network.file] = network.bytes
        self.peak = max(self.peak, sum(self.held.values()))
        if self.limit is not None:
            assert sum(self.held.values()) <= self.limit
        return RecordedNetwork(network, self)


class RecordedNetwork:
    def __init__(self, network, recorder):
        self.network, self.recorder, self.open = network, recorder, True

    def close(self):
        assert self.open
        self.open = False
        self.recorder.events.append(f"-{self.network.file}")
        del self.recorder.held[self.network.file]


def change(pool, wanted, limit=None):
    with pool.changing():
        return pool.change_to({n.task: n for n in wanted}, limit, lambda n: n.bytes)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def pool(recorder):
    return NetworkPool(recorder.load)


A1, A2, B1, B2 = entry("a", 1, 2), entry("a", 2, 8), entry("b", 1, 3), entry("b", 2, 9)


def test_frees_before_it_loads_where_room_is_short(pool, recorder):
    change(pool, [A2, B1], 11)
    recorder.events.clear()
    change(pool, [A1, B1], 5)
    assert recorder.events == ["-a2", "+a1"]


def test_loads_before_it_frees_where_there_is_room(pool, recorder):
    change(pool, [A1, B1], 20)
    recorder.events.clear()
    change(pool, [A2, B1], 20)
    assert recorder.events == ["+a2", "-a1"]


def test_frees_other_tasks_networks_too_before_the_limit_would_break(pool, recorder):
    change(pool, [A2, B2], 17)
    recorder.events.clear()
    recorder.limit = 5
    change(pool, [A1, B1], 5)
    assert recorder.events == ["-a2", "-b2", "+a1", "+b1"]


def test_networks_that_stay_are_not_touched(pool, recorder):
    change(pool, [A2, B1])
    change(pool, [A2])
    change(pool, [A2, B1])
    assert recorder.events == ["+b1", "+a2", "-b1", "+b1"]


def test_a_refused_network_leaves_the_others_alone(pool, recorder):
    change(pool, [A1, B1], 20)
    recorder.broken.add("a2")
    refused = change(pool, [A2, B2], 20)
    assert list(refused) == ["a"] and str(refused["a"]) == "a2"
    assert {task: n.file for task, n in pool.serving().items()} == {"a": "a1", "b": "b2"}


def test_a_running_prediction_keeps_its_network_and_the_change_waits(pool, recorder):
    change(pool, [A2], 8)
    with pool.borrow("a") as network:
        changer = threading.Thread(target=change, args=(pool, [A1], 2))
        changer.start()
        time.sleep(0.1)
        assert network.open and changer.is_alive()
        assert recorder.held == {"a2": 8}  # a1 has to wait for the room
    changer.join(5)
    assert not network.open and recorder.held == {"a1": 2}


def test_new_predictions_wait_for_the_successor(pool):
    change(pool, [A2], 8)
    answered = []

    def predict():
        with pool.borrow("a") as network:
            answered.append(network.network.file)

    with pool.borrow("a"):
        changer = threading.Thread(target=change, args=(pool, [A1], 2))
        changer.start()
        time.sleep(0.1)
        predictor = threading.Thread(target=predict)
        predictor.start()
        time.sleep(0.1)
        assert answered == []
    changer.join(5)
    predictor.join(5)
    assert answered == ["a1"]


def test_new_predictions_go_to_a_successor_that_is_there_already(pool):
    change(pool, [A1], 20)
    with pool.borrow("a") as old:
        changer = threading.Thread(target=change, args=(pool, [A2], 20))
        changer.start()
        time.sleep(0.1)
        with pool.borrow("a") as new:
            assert new.network == A2 and old.open
    changer.join(5)
    assert not old.open


def test_a_task_without_a_network_does_not_wait_for_ever(pool):
    change(pool, [A1])
    with pool.borrow("b") as network:
        assert network is None


def test_closing_waits_for_running_predictions_and_stops_new_ones(pool, recorder):
    change(pool, [A1, B1])
    with pool.borrow("a") as network:
        closer = threading.Thread(target=pool.close)
        closer.start()
        time.sleep(0.1)
        assert network.open
        with pytest.raises(UserError, match="closed"), pool.borrow("b"):
            pass
    closer.join(5)
    assert recorder.held == {}
    with pytest.raises(UserError, match="closed"):
        change(pool, [A1])


def test_a_prediction_that_fails_gives_its_network_back(pool):
    change(pool, [A1])
    with pytest.raises(ZeroDivisionError), pool.borrow("a"):
        raise ZeroDivisionError
    change(pool, [])  # would wait for ever


def test_thousands_of_changes_under_four_threads(pool, recorder):
    plans = [([A1, B1], 5), ([A2, B1], 11), ([A1, B2], 11), ([A2, B2], 17), ([A1], 2)]
    change(pool, *plans[0])
    done, failures = threading.Event(), []

    def predict():
        while not done.is_set():
            for task in "ab":
                with pool.borrow(task) as network:
                    was_open = network is None or network.open
                    time.sleep(0)  # lets another thread in
                    if network and not (was_open and network.open and network.network.task == task):
                        failures.append(network.network)

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(2000):
        networks, recorder.limit = plans[i * 7 % 5]
        change(pool, networks, recorder.limit)
        assert set(recorder.held) == {network.file for network in networks}
    done.set()
    for thread in threads:
        thread.join(10)
    assert failures == []
