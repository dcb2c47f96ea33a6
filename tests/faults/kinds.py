"""All kinds of faults. Each module registers its own."""

from tests.faults import (  # noqa: F401
    kills,
)
from tests.faults.fault import FAULTS as FAULTS
