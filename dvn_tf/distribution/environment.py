"""What the environment of a cluster says of this process. Imports nothing slow."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping

from dvn_tf.errors import UserError, shown

_ADDRESSES, _COUNT, _INDEX = (
    f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
)
_FIRST_PORT, _PORTS = 61_440, 4_096  # above those that systems hand out


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a process stands among those that train one network together.

    Args:
        index: its number, from 0.
        count: the number of processes.
        host: the machine of process 0.
        port: where process 0 listens for the others.
        launcher: what JAX calls that which started the processes, so that each of several on one
            machine gets a GPU of its own; "" for what JAX does not know.

    Raises:
        UserError: if the numbers contradict each other.
    """

    index: int
    count: int
    host: str
    port: int
    launcher: str = ""

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
    `keras.distribution.initialize` reads them. In a step of SLURM with several tasks, and under
    Open MPI's `mpirun`, those that are absent are known. A job or an array of SLURM whose steps
    have one task each is many single processes.

    Args:
        environ: the environment variables.

    Returns:
        The place, or None for a process by itself.

    Raises:
        UserError: if the variables are incomplete or make no sense.
    """
    launcher = next((one for one in _LAUNCHERS if _number(environ, one.count, 1) > 1), None)
    if launcher is None and not any(environ.get(name) for name in (_ADDRESSES, _COUNT, _INDEX)):
        return None
    addresses = [part.strip() for part in environ.get(_ADDRESSES, "").split(",") if part.strip()]
    count, index = _number(environ, _COUNT), _number(environ, _INDEX)
    if launcher is not None:
        count = _number(environ, launcher.count) if count is None else count
        index = _number(environ, launcher.index) if index is None else index
        addresses = addresses or [launcher.address(environ)]
    count = len(addresses) if count is None else count
    if count == 1:
        return None
    if len(addresses) > 1 and len(addresses) != count:
        raise UserError(
            f"{_ADDRESSES} names {len(addresses)} processes, but {_COUNT} is {count}: name them "
            "all, or process 0 alone"
        )
    missing = {_ADDRESSES: not addresses, _COUNT: not count, _INDEX: index is None}
    if any(missing.values()):
        names = " and ".join(name for name, is_missing in missing.items() if is_missing)
        raise UserError(
            f"{names} must be set, too, for several processes; --nodistributed trains alone"
        )
    return Place(index, count, *_address(addresses[0]), launcher.name if launcher else "")


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,12}", text):
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
    # "node1,node7", "node[001-004,7]" or "node[3,5],other2"
    match = re.match(r"([^\[,\s]+)(?:\[([^\],-]+))?", environ.get("SLURM_STEP_NODELIST", ""))
    if match is None:
        raise UserError(
            f"SLURM_STEP_NODELIST names no machine: set {_ADDRESSES} to the HOST:PORT of process 0"
        )
    job, step = _number(environ, "SLURM_JOB_ID", 0), _number(environ, "SLURM_STEP_ID", 0)
    return f"{match[1]}{match[2] or ''}:{_FIRST_PORT + (job + 101 * step) % _PORTS}"


def _mpi_address(environ: Mapping[str, str]) -> str:
    """The machine where `mpirun` was started, which has process 0."""
    uri = environ.get("OMPI_MCA_orte_hnp_uri", "")  # 1531576320.0;tcp://10.96.0.1,10.148.0.1:34911
    match = re.match(r"(\d+)\..*?tcp://([^,:]+)", uri)
    if match is None:
        raise UserError(
            f"Open MPI names no machine: set {_ADDRESSES} to the HOST:PORT of process 0"
        )
    return f"{match[2]}:{_FIRST_PORT + int(match[1]) % _PORTS}"


@dataclasses.dataclass(frozen=True)
class _Launcher:
    """What starts processes together: its name in JAX, and the variables that it sets."""

    name: str
    count: str
    index: str
    address: Callable[[Mapping[str, str]], str]


_LAUNCHERS = (
    # srun sets this for each of its steps. SLURM_NTASKS is of the whole job, and is also set in a
    # batch script that starts a single process.
    _Launcher("slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", _slurm_address),
    _Launcher("ompi", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", _mpi_address),
)
