"""What a network needs to know about a task: pure Python, no data and no tensors."""

import dataclasses
from collections.abc import Sequence

from dvn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """One image classification task, as a network sees it.

    Args:
        name: the name of the task's input, and the start of its outputs' "<name>/level<l>".
        num_classes: size of the logits.
        image_shape: (height, width, channels) in pixels.
        mean: mean of the training images' pixel values (0..255), one number for each channel
            or one for all. The network normalizes its input itself, so it takes raw pixels.
        std: standard deviation of the pixel values, likewise.
        class_names: names of the classes in the order of the labels; may be empty.
        crop_from: height and width in pixels to which the central square of an image is resized
            before the middle of it is taken. None resizes the image itself to `image_shape`.

    Raises:
        UserError: if a value does not make a task.
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...] = (127.5,)
    std: tuple[float, ...] = (127.5,)
    class_names: tuple[str, ...] = ()
    crop_from: int | None = None

    def __post_init__(self):
        # A reloaded model brings lists.
        for field in ("image_shape", "mean", "std", "class_names"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.num_classes < 2:
            raise UserError(f"task {self.name} needs at least 2 classes, not {self.num_classes}")
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise UserError(
                f"task {self.name}: an image shape is (height, width, channels), "
                f"not {self.image_shape}"
            )
        channels = self.image_shape[-1]
        if len(self.mean) not in (1, channels) or len(self.std) not in (1, channels):
            raise UserError(f"task {self.name} needs a mean and std for {channels} channels")
        if self.crop_from is not None and self.crop_from < max(self.image_shape[:2]):
            raise UserError(f"task {self.name}: crop_from must not be below the image's size")

    def get_config(self) -> dict:
        """The arguments, as a network's file has them; without `crop_from` where it is None."""
        return {key: kept for key, kept in dataclasses.asdict(self).items() if kept is not None}


def output_name(task: str, level: int) -> str:
    """The name of one output of a network, "<task>/level<l>", levels counted from 1."""
    return f"{task}/level{level}"


def head_name(task: str, level: int) -> str:
    """The name of the fully connected layer that gives an output."""
    return f"{task}_level{level}_head"


def size_name(density: float) -> str:
    """What reports and TensorBoard call the size of a virtual network: "full", "25 %".

    Args:
        density: its share of the whole backbone's parameters, in the paper's count (section 4.2).
    """
    percent = round(100 * density)
    return "full" if percent == 100 else f"{percent} %" if percent else "under 1 %"


def common_map_size(tasks: Sequence[TaskInfo], map_size: int | None = None) -> int:
    """Height in pixels of the maps where tasks meet: as given, or the smallest image's up to 32."""
    return map_size or min(32, *(task.image_shape[0] for task in tasks))


def input_strides(tasks: Sequence[TaskInfo], map_size: int | None = None) -> tuple[int, ...]:
    """The stride of every task's input layer, so that all tasks meet at one map size.

    Section 4.2: the dimensions of the input layers' outputs "are set to the same by varying
    the stride size". Images of 32, 64 and 96 pixels get the strides 1, 2 and 3.

    Args:
        tasks: the tasks of a network.
        map_size: height of the common maps in pixels; None means the smallest image's
            height, but at most 32.

    Raises:
        UserError: if whole strides do not bring the images to one size.
    """
    map_size = common_map_size(tasks, map_size)
    strides = tuple(max(1, round(task.image_shape[0] / map_size)) for task in tasks)
    sizes = {
        tuple(-(-side // stride) for side in task.image_shape[:2])
        for task, stride in zip(tasks, strides, strict=True)
    }
    if len(sizes) > 1:
        shapes = ", ".join(f"{t.name} {t.image_shape[0]}x{t.image_shape[1]}" for t in tasks)
        raise UserError(
            f"the images ({shapes}) do not come to one map size by strides {strides}: resize "
            "them with Task.image_size to multiples of the smallest"
        )
    return strides
