"""Tasks, their images, and the pipelines that feed them to a network.

tasks.py      what a task is: plain values
sources.py    where its images come from; `register_source` adds a kind of dataset
progress.py   how far reading images has come, on a terminal or in a log
caches.py     what is held of images in memory: decoded, encoded, or nothing
task_data.py  what is known about a task, and its images
pipelines.py  batches for training and evaluation; the only module of these that needs TensorFlow
"""

from dvn_tf.data.sources import Source, check_data_dir, check_dataset, register_source
from dvn_tf.data.task_data import ImageSet, TaskData, load, task_info
from dvn_tf.data.tasks import Task, check_tasks
from dvn_tf.tasks import TaskInfo

__all__ = [
    "ImageSet",
    "Source",
    "Task",
    "TaskData",
    "TaskInfo",
    "check_data_dir",
    "check_dataset",
    "check_tasks",
    "load",
    "register_source",
    "task_info",
]
