"""The machine that a program runs on."""

import os

from dvn_runtime.process import processor_name
from dvn_tf.machine import num_cores


def test_cores_are_those_that_the_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert num_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert num_cores() == len(allowed)


def test_the_processor_has_a_name():
    assert processor_name().strip()
