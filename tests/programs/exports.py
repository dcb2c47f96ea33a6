"""Exports of a digits run, of a colour run and of J1's shape, with the answers of Keras."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image

FORMATS = ("keras", "tf_saved_model", "litert", "litert_int8", "onnx")
_IMAGES = 10  # of each task, to compare on


@dataclasses.dataclass
class ProgramExport:
    """An export folder with every format, and what its networks must answer.

    Attributes:
        name: of the export, for tables.
        folder: the export folder.
        images: {task: uint8 images}.
        expected: {(task, level): logits by Keras, of the trained network itself}.
        classes: {task: names of its classes}.
        manifest: the manifest.
    """

    name: str
    folder: pathlib.Path
    images: dict
    expected: dict
    classes: dict
    manifest: dict

    def files(self, format: str) -> list[dict]:
        """The entries of the files of a format."""
        return [entry for entry in self.manifest["files"] if entry["format"] == format]

    def probabilities(self, task: str, level: int) -> np.ndarray:
        """The softmax of what is expected."""
        logits = self.expected[task, level].astype(np.float64)
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def answers(self, entry: dict) -> np.ndarray:
        """What a file must give."""
        if entry["output"] == "probabilities":
            return self.probabilities(entry["task"], entry["level"])
        return self.expected[entry["task"], entry["level"]]


def digits_export(folder: pathlib.Path) -> ProgramExport:
    """The quickstart, narrow and short."""
    params = ["Recipe.epochs = 4", "WideResNet.width = 1"]
    return _trained("digits", folder, ["gin/quickstart.gin"], params)


def colour_export(folder: pathlib.Path) -> ProgramExport:
    """Two tasks on coloured stripes: one asks for the colour, one for the direction.

    Who mixes up red and blue, or rows and columns, answers otherwise.
    """
    _write_stripes(folder / "images")
    params = [
        f"first/Task.dataset = 'folder:{folder}/images/colour'",
        f"second/Task.dataset = 'folder:{folder}/images/direction'",
        "Scenario.name = 'stripes'",
        "first/Task.name = 'colour'",
        "second/Task.name = 'direction'",
        "Task.flip = False",
        "Recipe.epochs = 4",
        "Recipe.batch_size = 16",
        "WideResNet.width = 1",
    ]
    return _trained("colour", folder, ["gin/own_tasks.gin"], params)


def j1_export(folder: pathlib.Path) -> ProgramExport:
    """Networks of J1's shape: WRN-32-4 for 10 and 100 classes of 32 x 32 pixels, not trained.

    Normalization has statistics such as training leaves, so that folding has to work. The images,
    which calibrate the quantized files, are random.
    """
    import keras

    from dvn_tf import data
    from dvn_tf.training import configuration, fitting
    from dvn_tf.training.run_folder import RunFolder

    rng = np.random.default_rng(0)
    for task, classes in (("cifar10", 10), ("cifar100", 100)):
        for number in range(3 * classes):
            split, label = ("test" if number < classes else "train"), number % classes
            path = folder / "images" / task / split / f"class{label:02d}" / f"{number}.png"
            _save(path, rng.integers(0, 256, (32, 32, 3), np.uint8))
    params = [
        f"cifar10/Task.dataset = 'folder:{folder}/images/cifar10'",
        f"cifar100/Task.dataset = 'folder:{folder}/images/cifar100'",
    ]
    experiment = configuration.read_experiment(["gin/j1_cifar.gin"], params)
    infos = [data.load(task).info for task in experiment.scenario.tasks]
    keras.utils.set_random_seed(0)
    network = fitting.build_network(experiment.scenario, infos, experiment.recipe)
    randomize(network, rng)
    run = RunFolder(folder / "run")
    run.claim(experiment.config)
    network.save(run.path / "model.keras")
    return _exported("J1", folder)


def randomize(network, rng: np.random.Generator) -> None:
    """Gives batch normalization random statistics, scales and offsets."""
    for weight in network.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.8, 1.2, weight.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            weight.assign(rng.normal(0, 0.2, weight.shape))


def _trained(name: str, folder: pathlib.Path, files: list, params: list) -> ProgramExport:
    from dvn_tf.training import configuration
    from dvn_tf.training.run_folder import RunFolder
    from dvn_tf.training.runs import run

    run(configuration.read_experiment(files, params), RunFolder(folder / "run"))
    return _exported(name, folder)


def _exported(name: str, folder: pathlib.Path) -> ProgramExport:
    from dvn_tf import export
    from dvn_tf.export.accuracy import load_images
    from dvn_tf.training.run_folder import RunFolder

    run = RunFolder(folder / "run")
    network = run.load_model()
    data = load_images(run, [task.name for task in network.tasks], required=True)
    images = {task: each.test.images[:_IMAGES] for task, each in data.items()}
    logits = network.predict(images, verbose=0)
    expected = {
        (task.name, level): logits[output]
        for output, (task, level, _) in network.virtual_networks.items()
    }
    classes = {task: each.info.class_names for task, each in data.items()}
    manifest = export.export_run(run.path, folder / "export", FORMATS)
    return ProgramExport(name, folder / "export", images, expected, classes, manifest)


def _write_stripes(folder: pathlib.Path, count: int = 60) -> None:
    """Noisy stripes of three colours and two directions, sorted by either."""
    rng = np.random.default_rng(0)
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        for direction, axis in (("columns", 1), ("rows", 0)):
            for number in range(count):
                image = rng.integers(0, 90, (32, 32, 3))
                places = np.indices((32, 32))[axis] + rng.integers(8)
                image[..., channel] += 160 * (places // 4 % 2)
                split = "test" if number < count // 5 else "train"
                for task, label in (("colour", colour), ("direction", direction)):
                    path = folder / task / split / label / f"{colour}_{direction}_{number}.png"
                    _save(path, image.clip(0, 255).astype(np.uint8))


def _save(path: pathlib.Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
