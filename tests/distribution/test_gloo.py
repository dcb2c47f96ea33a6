import os
import select
import threading

import pytest

from dvn_tf.distribution import gloo

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no idle tasks here")


@pytest.fixture
def waiting():
    """A function that starts a thread which waits for events, and returns its number."""
    ended, threads = threading.Event(), []

    def start(events):
        poll = select.epoll()

        def wait():
            while not ended.is_set():
                poll.poll(0.01, events)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        return threads[-1].native_id

    yield start
    ended.set()
    for thread in threads:
        thread.join()


def test_the_thread_that_waits_for_messages_gives_way(waiting):
    messages, other = waiting(64), waiting(63)
    assert gloo.let_messages_wait()
    assert os.sched_getscheduler(messages) == os.SCHED_IDLE
    assert os.sched_getscheduler(other) == os.sched_getscheduler(0) == os.SCHED_OTHER


def test_nothing_happens_without_one(waiting):
    other = waiting(63)
    assert not gloo.let_messages_wait()
    assert os.sched_getscheduler(other) == os.SCHED_OTHER
