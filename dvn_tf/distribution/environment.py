"""What the environment of a cluster says of this process. Imports nothing slow."""

import dataclasses
import os
import re
from collections.abc import Mapping

from dvn_tf.errors import UserError, shown

_ADDRESSES, _COUNT, _INDEX = (
    f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
)
# srun sets it for each of its steps. SLURM_NTASKS is of the whole job, and is also set in a batch
# script that starts a single process.
_STEP_TASKS = "SLURM_STEP_NUM_TASKS"
_FIRST_PORT, _PORTS = 61_440, 4_096  # above those that systems hand out


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a process stands among those that train one network together.

    Args:
        index: its number, from 0.
        count: the number of processes.
        host: the machine of process 0.
        port: where process 0 listens for the others.

    Raises:
        UserError: if the numbers contradict each other.
    """

    index: int
    count: int
    host: str
    port: int

    def __post_init__(self):
        if not 0 <= self.index < self.count:
            raise UserError(
                f"there is no process {self.index} among {self.count}: they are numbered from 0 "
                f"to {self.count - 1} ({_INDEX}, {_COUNT})"
            )
        if not 0 < self.port < 65_536:
            raise UserError(
                f"there is no port {self.port}: name one from 1 to 65535 in {_ADDRESSES}"
            )

    @property
    def is_local(self) -> bool:
        """Whether all processes run on this machine and need not be reached from others."""
        return self.host in ("localhost", "127.0.0.1", "::1")


def find_place(environ: Mapping[str, str] = os.environ) -> Place | None:
    """What the environment says of this process.

    `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `_NUM_PROCESSES` and `_PROCESS_ID` come first, as
    `keras.distribution.initialize` reads them. In a step of SLURM with several tasks, those that
    are absent come from SLURM. A job or an array of SLURM whose steps have one task each is many
    single processes.

    Args:
        environ: the environment variables.

    Returns:
        The place, or None for a process by itself.

    Raises:
        UserError: if the variables are incomplete or make no sense.
    """
    in_step = _number(environ, _STEP_TASKS, 1) > 1
    if not in_step and not any(environ.get(name) for name in (_ADDRESSES, _COUNT, _INDEX)):
        return None
    addresses = [part.strip() for part in environ.get(_ADDRESSES, "").split(",") if part.strip()]
    count = _number(environ, _COUNT)
    if count is None:
        count = _number(environ, _STEP_TASKS) if in_step else len(addresses)
    if count == 1:
        return None
    if len(addresses) > 1 and len(addresses) != count:
        raise UserError(
            f"{_ADDRESSES} names {len(addresses)} processes, but {_COUNT} is {count}: name them "
            "all, or process 0 alone"
        )
    index = _number(environ, _INDEX)
    if index is None and in_step:
        index = _number(environ, "SLURM_PROCID")
    if not addresses and in_step:
        addresses = [_slurm_address(environ)]
    missing = {_ADDRESSES: not addresses, _COUNT: not count, _INDEX: index is None}
    if any(missing.values()):
        names = " and ".join(name for name, is_missing in missing.items() if is_missing)
        raise UserError(
            f"{names} must be set, too, for several processes; --nodistributed trains alone"
        )
    return Place(index, count, *_address(addresses[0]))


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UserError(f"{name} must be a whole number, not {shown(text)}")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # around an IPv6 address
    if not host or not re.fullmatch(r"[0-9]{1,5}", port):
        raise UserError(
            f"{_ADDRESSES} must name process 0 as HOST:PORT, such as node1:29400, not {shown(text)}"
        )
    return host, int(port)


def _slurm_address(environ: Mapping[str, str]) -> str:
    """The first machine of a step, and a port that other steps are unlikely to choose."""
    nodes = environ.get("SLURM_STEP_NODELIST", "")
    # "node1,node7", "node[001-004,7]" or "node[3,5],other2"
    match = re.match(r"([^\[,\s]+)(?:\[([^\],-]+))?", nodes)
    if match is None:
        raise UserError(
            f"SLURM_STEP_NODELIST names no machine: set {_ADDRESSES} to the HOST:PORT of process 0"
        )
    job, step = (
        _number({"": environ.get(name, "0")}, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")
    )
    return f"{match[1]}{match[2] or ''}:{_FIRST_PORT + (job + 101 * step) % _PORTS}"
