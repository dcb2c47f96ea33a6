"""Deep Virtual Networks: one trained network for k tasks, each at n_h memory levels.

    import dvn_tf

    network = dvn_tf.DeepVirtualNetwork(tasks, dvn_tf.UnitTable.by_rule(2), dvn_tf.WideResNet())

Kim, Ahn, Torr and Oh, "Deep Virtual Networks for Memory Efficient Inference of Multiple
Tasks", CVPR 2019.
"""

import importlib

__version__ = "0.1.0"

# Where each public name lives. They are imported when first asked for, so that a device which
# runs `dvn_tf.runtime` needs neither Keras nor TensorFlow.
_HOMES = {
    "DeepVirtualNetwork": "networks",
    "ResNet": "backbones",
    "Task": "data",
    "TaskInfo": "tasks",
    "UnitPartition": "units",
    "UnitTable": "units",
    "UserError": "errors",
    "WideResNet": "backbones",
    "costs": "accounting",
    "distilling_network": "distillation",
    "draw_table": "reports",
    "joint_objective": "objectives",
    "load_network": "networks",
    "plain_network": "networks",
    "sequential_objective": "objectives",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return [*globals(), *__all__]
