"""Feature extraction (Donahue et al., "DeCAF", ICML 2014)."""

import dataclasses
from typing import ClassVar

from dvn_tf.methods.method import Method, Stage, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.methods.whole_backbone import frozen_stages


@dataclasses.dataclass(frozen=True)
class FeatureExtraction(Method):
    """The old network is frozen; a new task gets a head on its features."""

    name: ClassVar[str] = "feature_extraction"
    title: ClassVar[str] = "Feature Extraction"

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self._needs_sequence(scenario)
        return frozen_stages(scenario, task_names(scenario), epochs)
