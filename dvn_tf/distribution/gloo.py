"""Gloo, which adds up what processes on CPUs found, and its thread that receives messages.

The thread asks the system for messages again and again while one is there that the computation does
not want yet. It then takes half of a core from the very computation that it waits for: two
processes on two cores trained more slowly than one on one core (docs/speed.md). As an idle task,
it runs when the core has nothing else to do, which is when its messages are wanted.
"""

import contextlib
import os
import pathlib
import time

# The system calls epoll_wait and epoll_pwait of x86-64, and the latter of 64-bit ARM.
_WAITING = {"232", "281", "22"}
_EVENTS, _MILLISECONDS = "0x40", "0xa"  # how Gloo waits, and nobody else in the process
_TRIES = 40  # 5 ms apart: the thread may be between two calls


def let_messages_wait() -> bool:
    """Lets Gloo's thread run only where the computation leaves a core idle.

    Call it when the processes are connected and compute nothing. On other systems than Linux
    nothing happens.

    Returns:
        Whether the thread was found.
    """
    if not hasattr(os, "SCHED_IDLE"):
        return False
    for _ in range(_TRIES):
        found = [thread for thread in _threads() if _waits_as_gloo_does(thread)]
        for thread in found:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        if found:
            return True
        time.sleep(0.005)
    return False


def _threads() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/task")]


def _waits_as_gloo_does(thread: int) -> bool:
    call = []
    with contextlib.suppress(OSError):  # it may have ended, or may not be looked at
        call = pathlib.Path(f"/proc/self/task/{thread}/syscall").read_text().split()
    # The number of the call, and its arguments: descriptor, events, how many, time.
    return len(call) > 4 and call[0] in _WAITING and call[3:5] == [_EVENTS, _MILLISECONDS]
