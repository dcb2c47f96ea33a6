"""All kinds of faults: each of these modules registers its own."""

from tests.faults import (
    arguments,
    checkpoints,
    exports,
    full_disks,
    gin_files,
    images,
    interruptions,
    kills,
    locks,
    run_files,
)
from tests.faults.fault import FAULTS

MODULES = (
    kills,
    interruptions,
    checkpoints,
    run_files,
    exports,
    gin_files,
    full_disks,
    locks,
    arguments,
    images,
)

__all__ = ["FAULTS", "MODULES"]
