"""Stages of the methods in which each task uses the whole backbone."""

from dvn_tf.methods.method import Stage
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.heads import Head
from dvn_tf.units import UnitPartition, UnitTable


def whole_backbone_stage(
    scenario: Scenario, name: str, tasks: tuple[str, ...], epochs: int, **settings
) -> Stage:
    """A stage whose tasks all use the whole backbone at one level, the case of Eq. 8.

    Args:
        scenario: gives the backbone.
        name: of the stage.
        tasks: the network's tasks; it learns the last one.
        epochs: number of epochs.
        **settings: further fields of `Stage`.
    """
    return Stage(
        name,
        tasks,
        learned=tasks[-1:],
        table=UnitTable((((1,),),) * len(tasks)),
        partition=UnitPartition.even(1),
        backbone=scenario.backbone,
        epochs=epochs,
        **settings,
    )


def frozen_stages(
    scenario: Scenario, tasks: tuple[str, ...], epochs: int, head: Head | None = None
) -> tuple[Stage, ...]:
    """The first task by the whole backbone, then for each other a head on the frozen network.

    Args:
        scenario: gives the backbone.
        tasks: names of the tasks, in their order.
        epochs: number of epochs of each task.
        head: of the tasks after the first; None is one fully connected layer.
    """
    first, *others = tasks
    return (
        whole_backbone_stage(scenario, first, (first,), epochs),
        *(
            whole_backbone_stage(
                scenario,
                task,
                (task,),
                epochs,
                starts_from=(first,),
                heads_only=True,
                head=head or Head(),
            )
            for task in others
        ),
    )
