"""Deep Virtual Networks: one trained network for k tasks, each at n_h memory levels.

    import dvn_tf

    network = dvn_tf.DeepVirtualNetwork(tasks, dvn_tf.UnitTable.by_rule(2), dvn_tf.WideResNet())

Kim, Ahn, Torr and Oh, "Deep Virtual Networks for Memory Efficient Inference of Multiple
Tasks", CVPR 2019.
"""

__version__ = "0.7.0"  # as in `dvn_runtime`

from dvn_tf import runtime_version  # noqa: F401  the first, so that no other runtime is used
from dvn_tf.comparison.runs import read_runs
from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.figures import draw_table
from dvn_tf.methods import METHODS
from dvn_tf.networks.accounting import costs
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.network import DeepVirtualNetwork, load_network
from dvn_tf.networks.objectives import joint_objective, sequential_objective
from dvn_tf.networks.plain_network import plain_network
from dvn_tf.tasks import TaskInfo
from dvn_tf.training.optimizer import MomentumSGD
from dvn_tf.units import UnitPartition, UnitTable

__all__ = [
    "METHODS",
    "DeepVirtualNetwork",
    "MomentumSGD",
    "ResNet",
    "Task",
    "TaskInfo",
    "UnitPartition",
    "UnitTable",
    "UserError",
    "WideResNet",
    "costs",
    "distilling_network",
    "draw_table",
    "joint_objective",
    "load_network",
    "plain_network",
    "read_runs",
    "sequential_objective",
]
