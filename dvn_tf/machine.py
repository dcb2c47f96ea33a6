"""The machine that a program runs on: its processor and cores."""

import contextlib
import os
import platform


def processor_name() -> str:
    """The processor's name, or its architecture where the system does not tell the name."""
    # Linux tells it here; Python's `platform` gives the architecture alone there.
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def num_cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
