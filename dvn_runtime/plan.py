"""Which networks a predictor has loaded."""

import dataclasses

from dvn_runtime.budget import Budget
from dvn_runtime.manifest import ExportedNetwork


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which networks are loaded; `str(plan)` is a summary.

    Attributes:
        budget: the budget that they keep.
        networks: {task: its loaded network}.
        left_out: tasks without a network.
        refused: {file: reason} for files that were not what the manifest says.
    """

    budget: Budget
    networks: dict[str, ExportedNetwork]
    left_out: tuple[str, ...] = ()
    refused: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Sum of the file sizes of the loaded networks."""
        return sum(network.bytes for network in self.networks.values())

    @property
    def parameters(self) -> int:
        """Sum of the parameters of the loaded networks."""
        return sum(network.parameters for network in self.networks.values())

    def __str__(self) -> str:
        lines = [f"budget {self.budget}: {self.bytes:,} bytes, {self.parameters:,} parameters"]
        lines += [
            f"  {task}: level {network.level}, {network.bytes:,} bytes, "
            f"{network.parameters:,} parameters, accuracy {network.accuracy:.2%}"
            for task, network in self.networks.items()
        ]
        lines += [f"  {task}: left out" for task in self.left_out]
        return "\n".join(lines + [f"  refused {reason}" for reason in self.refused.values()])
