"""A task whose memory level rises and falls by increments, for networks with causal levels.

    from dvn_runtime import LevelPredictor

    predictor = LevelPredictor("export", "cifar10")
    probabilities = predictor.predict(image)  # level 1
    predictor.upgrade()                       # loads what level 2 adds
    probabilities = predictor.refine()        # computes it for the same image, and nothing else

`experiments.export --increments` writes the files.
"""

import os
import pathlib
import threading

import numpy as np

from dvn_runtime.errors import RefusedFileError, UserError, shown
from dvn_runtime.images import check_images
from dvn_runtime.manifest import ExportedIncrement, ExportedTask, read_manifest
from dvn_runtime.network import checked_threads, import_litert, read_network, refusal, softmax
from dvn_runtime.process import return_memory
from dvn_runtime.signature import Key

_IMAGES, _LOGITS = "images", "logits"
_SIGNATURE = "serving_default"


class LevelPredictor:
    """Classifies images of one task, one at a time, at a level that can change at any time.

    All levels up to the present one are loaded. Each computes only what it adds to the level
    below, so that to rise by a level loads and computes one group of units. Its methods may be
    called from several threads.

    Args:
        export_dir: a folder with increments, as `experiments.export --increments` writes it.
        task: the name of the task.
        level: the first level, from 1.
        num_threads: CPU threads of a prediction, from 1 to 128.
        key: as for `BudgetedPredictor`.

    Raises:
        UserError: if the folder has no increments of the task, or a value is out of range.
        RefusedFileError: if a file is missing, damaged, or another network.
    """

    def __init__(
        self,
        export_dir: str | os.PathLike,
        task: str,
        level: int = 1,
        num_threads: int = 1,
        key: Key | None = None,
    ):
        self._num_threads = checked_threads(num_threads)
        manifest = read_manifest(export_dir, key)
        self._folder = manifest.folder
        self._increments = _chain(manifest, task)
        self._task = manifest.tasks[task]
        if type(level) is not int or not 1 <= level <= self.highest_level:
            raise UserError(
                f"level must be a whole number from 1 to {self.highest_level}, not {shown(level)}"
            )
        self._loaded: list[LoadedIncrement] = []
        self._computed = 0  # levels of the present image
        self._lock = threading.RLock()
        for _ in range(level):
            self._load()

    @property
    def level(self) -> int:
        """The present level."""
        return len(self._loaded)

    @property
    def highest_level(self) -> int:
        """The highest level of the task."""
        return len(self._increments)

    @property
    def increment(self) -> ExportedIncrement:
        """What the present level adds, as the manifest describes it."""
        return self._increments[self.level - 1]

    @property
    def bytes(self) -> int:
        """The size of the files that are loaded."""
        with self._lock:
            return sum(loaded.increment.network.bytes for loaded in self._loaded)

    def predict(self, image: np.typing.ArrayLike) -> np.ndarray:
        """Classifies an image at the present level, and keeps its activations.

        Args:
            image: (height, width, channels), uint8 or floats, pixels 0..255.

        Returns:
            Probabilities, float32, (classes,).

        Raises:
            UserError: if the network cannot take the image.
            RefusedFileError: if LiteRT cannot run a file.
        """
        images = check_images(image, self._task)
        if len(images) != 1:
            raise UserError(f"predict takes one image at a time, not {len(images)}")
        with self._lock:
            self._check_open()
            self._computed = 0
            self._loaded[0].run({_IMAGES: images.astype(np.float32)})
            self._computed = 1
            return self.refine()

    def refine(self) -> np.ndarray:
        """Classifies the last image at the present level, computing only what is new.

        Returns:
            Probabilities, float32, (classes,).

        Raises:
            UserError: if there was no image yet.
            RefusedFileError: if LiteRT cannot run a file.
        """
        with self._lock:
            self._check_open()
            if not self._computed:
                raise UserError("there is no image to refine: call predict first")
            for loaded in self._loaded[self._computed :]:
                known = {}
                for lower in self._loaded[: self._computed]:
                    known |= {name: lower.output(name) for name in lower.increment.outputs}
                loaded.run({name: known[name] for name in loaded.increment.inputs})
                self._computed += 1
            return softmax(np.array(self._loaded[-1].output(_LOGITS)))[0]

    def upgrade(self) -> None:
        """Rises by one level: loads what it adds.

        Raises:
            UserError: if this is the highest level.
            RefusedFileError: if the file is missing, damaged, or another network; the level stays.
        """
        with self._lock:
            self._check_open()
            if self.level == self.highest_level:
                raise UserError(f"level {self.level} is the highest of task {self._task.name!r}")
            self._load()

    def downgrade(self) -> None:
        """Falls by one level, and frees what it added.

        Raises:
            UserError: if this is level 1.
        """
        with self._lock:
            self._check_open()
            if self.level == 1:
                raise UserError("level 1 is the lowest")
            self._loaded.pop().close()
            self._computed = min(self._computed, self.level)

    def close(self) -> None:
        """Frees all levels; later calls fail."""
        with self._lock:
            while self._loaded:
                self._loaded.pop().close()

    def __enter__(self) -> "LevelPredictor":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _load(self) -> None:
        increment = self._increments[self.level]
        self._loaded.append(open_increment(self._folder, increment, self._task, self._num_threads))

    def _check_open(self) -> None:
        if not self._loaded:
            raise UserError("the predictor is closed")


class LoadedIncrement:
    """An increment in LiteRT; not to be shared between threads.

    Args:
        increment: its entry in the manifest.
        content: the bytes of the file, already checked.
        num_threads: CPU threads.

    Raises:
        RefusedFileError: if LiteRT cannot load the bytes, or if inputs or outputs are not what
            the manifest says.
        UserError: if LiteRT is not installed.
    """

    def __init__(self, increment: ExportedIncrement, content: bytes, num_threads: int = 1):
        self.increment = increment
        litert = import_litert()
        try:
            self._interpreter = litert.Interpreter(model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner(_SIGNATURE)
            ports = (runner.get_input_details(), runner.get_output_details())
        except Exception as error:  # it raises errors of many kinds
            raise refusal(increment.network, "load", error) from None
        self._inputs, self._outputs = (
            self._checked(*pair)
            for pair in zip(ports, (increment.inputs, increment.outputs), strict=True)
        )

    def run(self, inputs: dict[str, np.ndarray]) -> None:
        """Computes the outputs, which stay until the next run.

        Args:
            inputs: {name: array}.

        Raises:
            RefusedFileError: if LiteRT cannot run the file.
        """
        try:
            for name, value in inputs.items():
                self._interpreter.set_tensor(self._inputs[name], value)
            self._interpreter.invoke()
        except Exception as error:  # the interpreter raises errors of many kinds
            raise refusal(self.increment.network, "run", error) from None

    def output(self, name: str) -> np.ndarray:
        """An output of the last run, as a view of LiteRT's memory: use it before the next run."""
        return self._interpreter.tensor(self._outputs[name])()

    def close(self) -> None:
        """Frees it."""
        self._interpreter = None
        return_memory()

    def _checked(self, found: dict, expected: dict) -> dict[str, int]:
        """{name: number of the tensor}, checked against the manifest."""
        shapes = {name: tuple(port["shape"].tolist()) for name, port in found.items()}
        floats = all(port["dtype"] == np.float32 for port in found.values())
        if not floats or shapes != {name: (1, *shape) for name, shape in expected.items()}:
            raise RefusedFileError(
                f"{self.increment.network.file}: its inputs or outputs are not what the manifest "
                "says"
            )
        return {name: port["index"] for name, port in found.items()}


def open_increment(
    folder: pathlib.Path, increment: ExportedIncrement, task: ExportedTask, num_threads: int = 1
) -> LoadedIncrement:
    """Loads an increment of an export folder after checking that it is what the manifest says.

    Args:
        folder: the export folder.
        increment: its entry.
        task: its task.
        num_threads: CPU threads.

    Raises:
        RefusedFileError: if the file is missing, damaged, or another network.
    """
    ports = len(increment.inputs), len(increment.outputs)
    content = read_network(folder, increment.network, task, ports)
    return LoadedIncrement(increment, content, num_threads)


def _chain(manifest, task: str) -> list[ExportedIncrement]:
    """The increments of a task from level 1 on, each checked to fit those below."""
    own = [increment for increment in manifest.increments if increment.network.task == task]
    own.sort(key=lambda increment: increment.network.level)
    if not own:
        known = sorted({increment.network.task for increment in manifest.increments})
        raise UserError(
            f"{manifest.folder} has no increments of task {shown(task)} (it has those of "
            f"{', '.join(known) or 'none'}): write them with experiments.export --increments"
        )
    shape, classes = manifest.tasks[task].image_shape, manifest.tasks[task].num_classes
    known, below = {}, None
    for level, increment in enumerate(own, start=1):
        network = increment.network
        reads = {_IMAGES: shape} if level == 1 else known
        fits = (
            network.level == level
            and increment.adds_to == below
            and network.output == _LOGITS
            and network.dtype == "float32"
            and increment.inputs.items() <= reads.items()
            and increment.outputs.get(_LOGITS) == (classes,)
            and known.keys() & increment.outputs.keys() <= {_LOGITS}
        )
        if not fits or not increment.inputs:
            raise UserError(f"{network.file} does not fit the levels below: export them again")
        known = known | increment.outputs
        below = network.file
    return own
