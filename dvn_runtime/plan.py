"""Which networks a predictor has loaded, and how they run."""

import dataclasses

from dvn_runtime.budget import Budget
from dvn_runtime.manifest import ExportedNetwork


@dataclasses.dataclass(frozen=True)
class Choice:
    """A network, and how it runs.

    Attributes:
        network: the network.
        packed: whether it runs with packed weights, that is with XNNPACK.
    """

    network: ExportedNetwork
    packed: bool

    @property
    def task(self) -> str:
        """Name of the network's task."""
        return self.network.task


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which networks are loaded; `str(plan)` is a summary.

    Attributes:
        budget: the budget that they keep.
        networks: {task: its loaded network}.
        left_out: tasks without a network.
        refused: {file: reason} for files that were not what the manifest says.
        packed: the tasks whose networks run with packed weights.
        resident: the resident memory in bytes that the networks add to the process while they
            classify, as predicted; None if the manifest does not say what they take.
    """

    budget: Budget
    networks: dict[str, ExportedNetwork]
    left_out: tuple[str, ...] = ()
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    packed: tuple[str, ...] = ()
    resident: int | None = None

    @property
    def bytes(self) -> int:
        """Sum of the file sizes of the loaded networks."""
        return sum(network.bytes for network in self.networks.values())

    @property
    def parameters(self) -> int:
        """Sum of the parameters of the loaded networks."""
        return sum(network.parameters for network in self.networks.values())

    def __str__(self) -> str:
        memory = "" if self.resident is None else f", about {self.resident:,} bytes resident"
        lines = [f"budget {self.budget}: {self.bytes:,} bytes, {self.parameters:,} parameters"]
        lines[0] += memory
        lines += [
            f"  {task}: level {network.level}, {network.bytes:,} bytes, "
            f"{network.parameters:,} parameters, accuracy {network.accuracy:.2%}, "
            f"{'packed' if task in self.packed else 'not packed'}"
            for task, network in self.networks.items()
        ]
        lines += [f"  {task}: left out" for task in self.left_out]
        return "\n".join(lines + [f"  refused {reason}" for reason in self.refused.values()])
