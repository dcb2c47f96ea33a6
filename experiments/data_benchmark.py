"""Measures what it costs to hold a task's images decoded, encoded, or not at all.

    python -m experiments.data_benchmark --dataset=tiny_imagenet --data_dir=DIR

prints peak memory, the time until training can begin, and how many images a second the training
pipeline delivers. With --make_images, the dataset is a folder that is made first:

    python -m experiments.data_benchmark --dataset=folder:blobs --make_images=200000
"""

from absl import flags

from experiments import programs

_DATASET = flags.DEFINE_string("dataset", None, "As Task.dataset.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "TFDS's data folder. Default: TFDS's own.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "As Task.image_size.", lower_bound=1)
_CACHES = flags.DEFINE_list("caches", "decoded,encoded,files", "What to measure, as Task.cache.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Images of a step.", lower_bound=1)
_SECONDS = flags.DEFINE_float(
    "seconds", 20.0, "How long to draw batches.", lower_bound=0.1, upper_bound=600
)
_MAKE_IMAGES = flags.DEFINE_integer(
    "make_images", None, "Make a folder of as many JPEG files.", lower_bound=200
)
_PIXELS = flags.DEFINE_integer("pixels", 96, "Height and width of these.", lower_bound=8)


def main(_):
    with programs.starting():
        from dvn_tf.benchmarks import reading
        from dvn_tf.data import Task

    if _MAKE_IMAGES.value:
        folder = _DATASET.value.removeprefix("folder:")
        reading.make_folder(folder, _MAKE_IMAGES.value, _PIXELS.value)
    task = Task("measured", _DATASET.value, image_size=_IMAGE_SIZE.value)
    readings = reading.measure_caches(
        task, _DATA_DIR.value, _CACHES.value, _BATCH_SIZE.value, _SECONDS.value
    )
    print(reading.report(readings))


if __name__ == "__main__":
    programs.run(main)
