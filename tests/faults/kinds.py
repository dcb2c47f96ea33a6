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
    networks,
    run_files,
    wrong_settings,
)
from tests.faults.fault import FAULTS

MODULES = (
    kills,
    interruptions,
    checkpoints,
    run_files,
    wrong_settings,
    exports,
    gin_files,
    full_disks,
    locks,
    networks,
    arguments,
    images,
)

__all__ = ["FAULTS", "MODULES"]
