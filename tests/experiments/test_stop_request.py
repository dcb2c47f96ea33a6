"""Ctrl-C and SIGTERM while a network trains: after the step, or at once where none was done."""

import signal
import time

import pytest

# Each case runs in a process of its own. Hashing stands for a step in C++: it holds no lock of
# Python, and Python's handlers of signals wait for its end.
START = """
import hashlib, os, signal, sys, threading, time, types
stopping = types.ModuleType("dvn_tf.training.stopping")  # not TensorFlow, which takes seconds
stopping.Stop = object
sys.modules[stopping.__name__] = stopping
from experiments import endings, stop_request
endings.install()
stop_request._PATIENCE = 0.3
number = getattr(signal, sys.argv[1])
stop = stop_request.StopRequest(lambda: "this is left")

def later(*seconds):
    for one in seconds:
        threading.Timer(one, os.kill, (os.getpid(), number)).start()

def step(seconds, count=iter(range(1, 99))):
    hashlib.pbkdf2_hmac("sha256", b"", b"", iterations(seconds))
    if stop.requested(next(count)):
        raise endings.Ended(stop.status, "stopped")

def iterations(seconds):
    start = time.perf_counter()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
    return 1 + int(100_000 * seconds / (time.perf_counter() - start))

def work():
    with stop.training():
        train()
    later(0.1)
    time.sleep(9)

def train():
    """
RUN = "\nsys.exit(endings.run(work, lambda: 'this is left'))"

NOTES = {
    "SIGINT": "stopping after this step; press Ctrl-C again to end at once",
    "SIGTERM": "stopping after this step; another SIGTERM ends the run at once",
}
LEFT = ["interrupted: this is left"]
# {case: (what is trained, lines of stderr)}
CASES = {
    "a short step ends": ("step(0); later(0.02); [step(0.1) for _ in range(9)]", ["stopped"]),
    "a long step is announced": ("step(0); later(0.1); step(3); step(9)", ["note", "stopped"]),
    "two signals": (
        "step(0); later(0.1, 2); step(99)",
        ["note", "interrupted twice: ended at once, and unfinished files may be left"],
    ),
    "before the first step": ("later(0.1); time.sleep(9)", LEFT),
    "while the first step is compiled": ("later(0.1); step(99)", LEFT),
    "while a short first step runs": ("later(0.1); step(0.3)", LEFT),
    "after the last step": ("step(0); os.kill(os.getpid(), number)", LEFT),
    "after training": ("step(0)", LEFT),
}


@pytest.mark.parametrize("name", NOTES)
@pytest.mark.parametrize("case", CASES)
def test_a_signal(case, name, run_python):
    train, lines = CASES[case]
    started = time.monotonic()
    done = run_python(START + train + RUN, args=[name])
    assert time.monotonic() - started < 30
    assert done.returncode == 128 + getattr(signal, name), done.stderr
    assert done.stderr.splitlines() == [NOTES[name] if line == "note" else line for line in lines]


def test_an_ignored_signal_stays_ignored(run_python):
    train = "step(0); later(0.1); time.sleep(0.3); step(0); print('on'); os._exit(0)"
    ignore = "\nsignal.signal(number, signal.SIG_IGN)"
    done = run_python(START + train + ignore + RUN, args=["SIGINT"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


def test_signals_are_given_back(run_python):
    work = "step(0)\nbefore = signal.set_wakeup_fd(-1)\nwith stop.training(): train()"
    check = """
assert signal.set_wakeup_fd(-1) == before == -1
assert all(signal.getsignal(one) is endings.on_signal for one in endings.SIGNALS)
assert threading.active_count() == 1
"""
    done = run_python(START + work + check, args=["SIGINT"])
    assert (done.returncode, done.stderr) == (0, "")
