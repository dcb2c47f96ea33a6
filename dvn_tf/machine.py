"""The machine that a program runs on: its cores, memory and processes.

`dvn_runtime.process` has what devices ask for, too.
"""

import contextlib
import os
import pathlib


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


def bytes_text(count: int) -> str:
    """A number of bytes in MB or GB, as 0.3 MB, 47 MB or 1.2 GB."""
    megabytes = count / 1e6
    if megabytes >= 1000:
        return f"{megabytes / 1000:.1f} GB"
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


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
