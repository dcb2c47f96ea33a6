"""What a file format of exports is, and the register of all formats."""

import contextlib
import importlib
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import keras
import numpy as np

from dvn_tf.errors import UserError
from dvn_tf.export.keras_format import KerasFormat
from dvn_tf.export.litert_format import LiteRTFormat, LiteRTInt8Format
from dvn_tf.export.onnx_format import OnnxFormat
from dvn_tf.export.saved_model_format import SavedModelFormat
from dvn_tf.export.slim import SlimNetwork
from dvn_tf.files import atomic_file, atomic_folder, refusals_of_libraries

Runner = Callable[[np.ndarray], np.ndarray]


class Format(Protocol):
    """A file format of exports: how a network is written in it, and how such a file is run.

    A class with these members is a format; it need not inherit from this one. Its constructor
    takes no arguments. Its module must not import `dvn_tf` at the top, only inside `write`: to
    measure the memory that a file takes, `benchmarks.memory` loads the module by itself, in a
    process without TensorFlow.

    Attributes:
        name: the format's name in `--format`, in the manifest and of its subfolder.
        title: its name in reports.
        suffix: the ending of its files; "" if a network is a folder.
        runtime: the module that runs its files.
        packages: further modules that writing needs. If TensorFlow is among them, or is the
            runtime, Keras has to run on it.
        input_dtype: dtype of the images that its files take; None stands for that of the slim
            network, uint8 with `raw` and else float32.
        output: what its files give unless the user says otherwise, "logits" or "probabilities";
            None stands for probabilities with `raw` and else logits.
        calibrated: whether writing needs training images.
        keras_export: the format's name in `keras.Model.export`, if the latency report is to
            compare with it; else None.
    """

    name: str
    title: str
    suffix: str
    runtime: str
    packages: tuple[str, ...]
    input_dtype: str | None
    output: str | None
    calibrated: bool
    keras_export: str | None

    def write(self, slim: SlimNetwork, path: pathlib.Path, samples: np.ndarray | None) -> None:
        """Writes a network; `write_file` calls this and makes it atomic.

        Args:
            slim: the network.
            path: the file to write, or an empty folder to fill if `suffix` is "".
            samples: training images, uint8 (n, height, width, channels); None if there are none,
                which happens only if the format is not `calibrated`.
        """

    def open(self, path: pathlib.Path, threads: int | None = None) -> Runner:
        """Loads a file into its runtime.

        Args:
            path: the file.
            threads: CPU threads that a call may use; None is one for each core. TensorFlow
                ignores it: its threads are a setting of the whole process.

        Returns:
            A function from images (batch, height, width, channels) of the file's dtype to
            outputs (batch, classes). The batch may be of any size.
        """


FORMATS: dict[str, Format] = {}


def register_format(new: Format) -> None:
    """Adds a format, so that exports and latency reports can name it.

    Args:
        new: the format.

    Raises:
        UserError: if it lacks a member of `Format`, or its name is taken.
    """
    members = (*Format.__annotations__, "write", "open")
    if missing := [member for member in members if not hasattr(new, member)]:
        raise UserError(f"{type(new).__name__} is not a format: it has no {', '.join(missing)}")
    if new.name in FORMATS:
        raise UserError(f"there is a format {new.name!r} already: choose another name")
    FORMATS[new.name] = new


for _format in (KerasFormat, SavedModelFormat, LiteRTFormat, LiteRTInt8Format, OnnxFormat):
    register_format(_format())


def checked_formats(names: Iterable[str]) -> list[str]:
    """Checks that formats can be written and run here.

    Args:
        names: names of formats.

    Returns:
        The names, without repetitions.

    Raises:
        UserError: if there is no name or an unknown one, or if a package is missing.
    """
    names = list(dict.fromkeys(names))
    if not names:
        raise UserError(f"no format was given: choose from {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise UserError(f"there is no format {name!r}: choose from {', '.join(FORMATS)}")
        _check_packages(FORMATS[name])
    return names


def write_file(name: str, slim: SlimNetwork, path: pathlib.Path, samples=None) -> None:
    """Writes a network in a format, whole or not at all.

    Args:
        name: the format.
        slim: the network.
        path: the file or folder to write.
        samples: training images, for formats that are calibrated.

    Raises:
        UserError: if the format needs training images and there are none, or if the file cannot
            be written.
    """
    with writing_file(name, slim, path, samples):
        pass


@contextlib.contextmanager
def writing_file(
    name: str, slim: SlimNetwork, path: pathlib.Path, samples=None
) -> Iterator[pathlib.Path]:
    """Writes a network in a format, and yields the file before it gets its name.

    Args:
        name: the format.
        slim: the network.
        path: the name that the file or folder gets when the context ends.
        samples: training images, for formats that are calibrated.

    Raises:
        UserError: as `write_file`.
    """
    chosen = FORMATS[name]
    if chosen.calibrated and samples is None:
        raise UserError(f"the format {name} needs training images: give --data_dir")
    with (atomic_file if chosen.suffix else atomic_folder)(path) as temporary:
        try:
            with refusals_of_libraries():
                chosen.write(slim, temporary, samples)
        except UserError as error:  # it may name the temporary file
            raise UserError(str(error).replace(str(temporary), str(path))) from error
        yield temporary


def _check_packages(chosen: Format) -> None:
    modules = (chosen.runtime, *chosen.packages)
    backend = keras.backend.backend()
    if "tensorflow" in modules and backend != "tensorflow":
        raise UserError(
            f"the format {chosen.name} needs Keras to run on TensorFlow, not on {backend}: set "
            "KERAS_BACKEND=tensorflow, as python -m experiments.export does by itself"
        )
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UserError(
                f"{module.partition('.')[0]} is not installed, which the format {chosen.name} "
                'needs: pip install -e ".[export]" installs the packages of all built-in formats'
            ) from error
