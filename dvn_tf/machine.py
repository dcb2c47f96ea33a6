"""The machine that a program runs on: its processor, cores, memory and processes."""

import contextlib
import os
import pathlib
import platform


def processor_name() -> str:
    """The processor's name, or its architecture where the system does not tell the name."""
    # Linux tells it here; Python's `platform` gives the architecture alone there.
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def available_memory() -> int | None:
    """The bytes that this process may still take; None where the system does not tell."""
    found = []
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="ascii") as file:
        found += [1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable")]
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" is no limit
        limit, used = (
            int(pathlib.Path("/sys/fs/cgroup", f"memory.{name}").read_text())
            for name in ("max", "current")
        )
        found.append(max(0, limit - used))
    return min(found, default=None)


def num_cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_running(process: int) -> bool:
    """Whether this machine runs a process of this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # somebody else's
    return True
