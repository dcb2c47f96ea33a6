"""Tasks, their images, and the pipelines that feed them to a network.

`dvn_tf.data.pipelines` imports TensorFlow; the rest does so only for TFDS's datasets.
"""

from dvn_tf.data.sources import ImageSet, TaskData, load
from dvn_tf.data.tasks import Task, check_tasks, describe
from dvn_tf.tasks import TaskInfo

__all__ = ["ImageSet", "Task", "TaskData", "TaskInfo", "check_tasks", "describe", "load"]
