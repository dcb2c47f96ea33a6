"""What it costs to read images that are held decoded, encoded, or not at all.

Each way is measured in a process of its own, because memory that was taken once stays with a
process. The network is left out: what is measured is the input pipeline alone.
"""

import concurrent.futures
import dataclasses
import multiprocessing
import pathlib
import re
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dvn_tf import data
from dvn_tf.data import Task, pipelines
from dvn_tf.data.tasks import CACHES
from dvn_tf.errors import UserError
from dvn_tf.machine import num_cores

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_CLASSES = 100  # of a folder that is made
_BLOBS = 8  # of an image in each direction
_QUALITY = 95


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one way of holding the images of a task costs.

    Seconds of the processor tell more than those of the clock where others use the machine.

    Attributes:
        cache: how the images were held.
        images: how many there are, of both splits.
        held_bytes: what the images take of memory.
        before_bytes: resident at most before images were read, with TensorFlow loaded.
        peak_bytes: resident at most in the whole process.
        load_seconds: from nothing read to the images at hand.
        load_cpu_seconds: what all cores together worked for that.
        first_batch_seconds: from there to the first batch of training.
        images_per_second: what the training pipeline delivers.
        cpu_microseconds: what all cores together worked for one of these images.
    """

    cache: str
    images: int
    held_bytes: int
    before_bytes: int
    peak_bytes: int
    load_seconds: float
    load_cpu_seconds: float
    first_batch_seconds: float
    images_per_second: float
    cpu_microseconds: float


def measure_caches(
    task: Task,
    data_dir=None,
    caches: Sequence[str] = CACHES,
    batch_size: int = 128,
    seconds: float = 20.0,
) -> list[Reading]:
    """Measures some ways of holding the images of a task, each in a new process.

    Args:
        task: the task; its own `cache` is ignored.
        data_dir: the folder of TFDS, where the dataset should be prepared already.
        caches: the ways.
        batch_size: images of a step.
        seconds: how long to draw batches.

    Raises:
        UserError: if the images cannot be loaded, or held in one of these ways.
    """
    found = []
    for cache in caches:
        # A process that is forked would begin with this one's memory.
        with concurrent.futures.ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn")
        ) as process:
            one = dataclasses.replace(task, cache=cache)
            found.append(process.submit(measure, one, data_dir, batch_size, seconds).result())
    return found


def measure(task: Task, data_dir, batch_size: int, seconds: float) -> Reading:
    """Measures one way of holding the images in this process; see `measure_caches`."""
    before = peak_memory()
    start, start_cpu = time.perf_counter(), time.process_time()
    task_data = data.load(task, data_dir, show_progress=True)
    loaded, loaded_cpu = time.perf_counter(), time.process_time()
    outputs = {task.name: [task.name]}
    batches = iter(pipelines.training_dataset([task_data], outputs, batch_size, 0, 0, 10**6))
    next(batches)
    first = time.perf_counter()
    for _ in range(2 * num_cores()):  # until the batches that wait are drawn
        next(batches)
    steps, begun, begun_cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < begun + seconds:
        next(batches)
        steps += 1
    rate = steps * batch_size / (time.perf_counter() - begun)
    cpu = (time.process_time() - begun_cpu) / (steps * batch_size)
    parts = (task_data.train, task_data.test)
    return Reading(
        cache=task.cache or "decoded",
        images=sum(len(part) for part in parts),
        held_bytes=sum(part.images.nbytes for part in parts),
        before_bytes=before,
        peak_bytes=peak_memory(),
        load_seconds=loaded - start,
        load_cpu_seconds=loaded_cpu - start_cpu,
        first_batch_seconds=first - loaded,
        images_per_second=rate,
        cpu_microseconds=1e6 * cpu,
    )


def peak_memory() -> int:
    """The most bytes that were resident in this process; `getrusage` counts its parent's, too.

    Raises:
        UserError: on other systems than Linux.
    """
    try:
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        raise UserError("peak memory is read from /proc, which only Linux has") from None
    return 1024 * int(_PEAK.search(status)[1])


_HEAD = (
    *("held", "images", "held MB", "peak MB", "of these", "load s", "CPU s", "first batch s"),
    *("images/s", "CPU us/image"),
)


def report(readings: Sequence[Reading]) -> str:
    """The figures as a table; "of these" is the peak without what the libraries took before."""
    rows = [
        (
            each.cache,
            f"{each.images:,}",
            f"{each.held_bytes / 1e6:,.0f}",
            f"{each.peak_bytes / 1e6:,.0f}",
            f"{(each.peak_bytes - each.before_bytes) / 1e6:,.0f}",
            f"{each.load_seconds:.1f}",
            f"{each.load_cpu_seconds:.1f}",
            f"{each.first_batch_seconds:.1f}",
            f"{each.images_per_second:,.0f}",
            f"{each.cpu_microseconds:.0f}",
        )
        for each in readings
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in (_HEAD, *rows)
    )


def make_folder(path, images: int, pixels: int) -> None:
    """Makes a folder of JPEG files of coloured blobs, of a size that photographs would have.

    Args:
        path: the folder, which must not exist.
        images: how many images, divided among 100 classes.
        pixels: height and width of each.

    Raises:
        UserError: if the folder exists already.
    """
    root = pathlib.Path(path)
    if root.exists():
        raise UserError(f"{root} exists already: choose another folder")
    for number in range(_CLASSES):
        (root / f"class{number:02}").mkdir(parents=True)
    with concurrent.futures.ProcessPoolExecutor(num_cores()) as processes:
        parts = ((root, part, pixels) for part in np.array_split(np.arange(images), 100))
        list(processes.map(_make_images, *zip(*parts, strict=True)))


def _make_images(root: pathlib.Path, numbers: Sequence[int], pixels: int) -> None:
    for number in numbers:
        blobs = np.random.default_rng(number).integers(0, 256, (_BLOBS, _BLOBS, 3), np.uint8)
        image = Image.fromarray(blobs).resize((pixels, pixels), Image.Resampling.BICUBIC)
        folder = root / f"class{number % _CLASSES:02}"
        image.save(folder / f"{number:07}.jpg", quality=_QUALITY)
