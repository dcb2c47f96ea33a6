"""DA-CNN: a network made deeper for a new task (Wang et al., "Growing a brain", CVPR 2017)."""

import dataclasses
from typing import ClassVar

from dvn_tf.errors import UserError
from dvn_tf.methods.method import Method, Stage, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.methods.whole_backbone import frozen_stages


@dataclasses.dataclass(frozen=True)
class DACNN(Method):
    """The old network stays as it is; a new task gets two fully connected layers and a head.

    Section 4.5: "with two additional fully-connected layers". Each is followed by the
    normalization and learned scale of its authors, see `stream_layers`.

    Args:
        added_layers: how many fully connected layers are added.
        added_width: channels of each; None is as many as the backbone's features have.
    """

    name: ClassVar[str] = "da_cnn"
    title: ClassVar[str] = "DA-CNN"

    added_layers: int = 2
    added_width: int | None = None

    def __post_init__(self):
        for name in ("added_layers", "added_width"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UserError(f"DACNN.{name} must be a whole number of at least 1, not {value}")

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self._needs_sequence(scenario)
        width = self.added_width or scenario.backbone.widths[-1]
        return frozen_stages(
            scenario, task_names(scenario), epochs, head_layers=(width,) * self.added_layers
        )
