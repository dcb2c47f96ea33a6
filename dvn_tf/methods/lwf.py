"""LwF: learning without forgetting (Li and Hoiem, ECCV 2016)."""

import dataclasses
from typing import Annotated, ClassVar

from dvn_tf.methods.method import DistillingMethod, Stage, task_names
from dvn_tf.methods.scenario import Scenario
from dvn_tf.methods.whole_backbone import whole_backbone_stage
from dvn_tf.settings import Between


@dataclasses.dataclass(frozen=True)
class LwF(DistillingMethod):
    """All tasks share the whole backbone; old ones are kept by distillation (Eq. 8).

    For each new task, first its head alone is trained, then the whole network. This warm-up is
    part of the task's epochs, so that every method trains for as many epochs.

    Args:
        warmup: share of a new task's epochs in which its head alone is trained; 0 for none.
    """

    name: ClassVar[str] = "lwf"
    title: ClassVar[str] = "LwF"

    warmup: Annotated[float, Between(0, 1, without_high=True)] = 0.1

    def stages(self, scenario: Scenario, epochs: int) -> tuple[Stage, ...]:
        """See `Method.stages`."""
        self._needs_sequence(scenario)
        names = task_names(scenario)
        stages = [whole_backbone_stage(scenario, names[0], names[:1], epochs)]
        # At least one epoch of warm-up, and at least one of the rest.
        warmup = min(max(1, round(self.warmup * epochs)), epochs - 1) if self.warmup else 0
        for k, name in enumerate(names[1:], start=2):
            old = names[k - 2]
            starts_from = [old]
            if warmup:
                starts_from.append(f"{name}_warmup")
                stages.append(
                    whole_backbone_stage(
                        scenario,
                        f"{name}_warmup",
                        (name,),
                        warmup,
                        starts_from=(old,),
                        heads_only=True,
                    )
                )
            stages.append(
                whole_backbone_stage(
                    scenario,
                    name,
                    names[:k],
                    epochs - warmup,
                    starts_from=tuple(starts_from),
                    teacher=old,
                    temperature=self.temperature,
                    distillation_weight=self.distillation_weight,
                )
            )
        return tuple(stages)
