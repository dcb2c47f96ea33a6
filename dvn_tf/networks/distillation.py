"""A network beside its teacher: learning a new task without forgetting the old ones (Eq. 6)."""

import keras

from dvn_tf.errors import UserError
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo, output_name


def distilling_network(
    network: DeepVirtualNetwork, teacher: DeepVirtualNetwork, new_task: str
) -> keras.Model:
    """A model in which a network and its teacher read the images of the new task (Eq. 6).

    All virtual networks read the new images, those of old tasks through their own input layers.
    The model shares its weights with the two networks: training it trains `network`, while the
    teacher is frozen.

    Args:
        network: the network that learns, with the new task and all old ones.
        teacher: the old network. Its highest level of an old task teaches all levels of that
            task.
        new_task: name of the task to learn.

    Returns:
        A model from {new task: images} to a dict by the names of the network's outputs: logits
        (batch, classes) for the new task, and for old tasks (batch, 2, classes), the student's
        and the teacher's logits, as `objectives.Distillation` takes them.

    Raises:
        UserError: if an old task's input layer cannot read the new images.
    """
    teacher.trainable = False
    info = network.tasks_by_name[new_task]
    image = keras.Input(info.image_shape, name=new_task)
    images = {task.name: seen_by(task, image, info) for task in network.tasks}
    student = network(images)
    kept = teacher({task.name: images[task.name] for task in teacher.tasks})
    highest = teacher.table.num_levels
    outputs = {}
    for name, (task, _, _) in network.virtual_networks.items():
        outputs[name] = student[name]
        if task.name != new_task:
            goal = kept[output_name(task.name, highest)]
            outputs[name] = keras.ops.stack([student[name], goal], axis=1)
    model = keras.Model({new_task: image}, outputs, name="distilling_network")
    model.dtype_policy = network.dtype_policy
    return model


def seen_by(task: TaskInfo, image, info: TaskInfo):
    """The images of one task in the shape of another's.

    Args:
        task: the other task, such as an old one.
        image: the images, or a tensor that stands for them.
        info: the task of the images, such as the new one.

    Raises:
        UserError: if they have another number of channels.
    """
    if task.image_shape[-1] != info.image_shape[-1]:
        raise UserError(
            f"task {task.name} has images of {task.image_shape[-1]} channels and {info.name} of "
            f"{info.image_shape[-1]}: an old task can be kept only on images that it can read"
        )
    if task.image_shape == info.image_shape:
        return image
    return keras.layers.Resizing(*task.image_shape[:2], name=f"{task.name}_resize")(image)
