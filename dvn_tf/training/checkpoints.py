"""Checkpoints: all that training goes on from, in one file that shows whether it is whole.

A file `epoch-0003.checkpoint` has three parts:

- the SHA-256 of the other two as 64 hexadecimal digits, and a line break,
- a line of JSON: the epochs done, the run, the network and the history of all epochs,
- an .npz archive of NumPy: every variable of the network and of its optimizer.

Where training stopped within an epoch, `epoch-0003-step-000458.checkpoint` has the same after 458
steps of the third epoch, and the metrics of these steps: they are running means over their epoch.

One file holds them, so that they agree with each other after a kill at any moment.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Mapping

import keras
import numpy as np

import dvn_tf
from dvn_runtime.files import read_bytes
from dvn_tf.errors import UserError
from dvn_tf.files import write_bytes, writing
from dvn_tf.networks.legacy import current_weights

KEPT_CHECKPOINTS = 2
_ENDING, _DAMAGED = ".checkpoint", ".damaged"
_BEFORE_0_4 = ".weights.h5"  # Keras's weights alone, without a hash
_FILE = re.compile(
    rf"epoch-(\d{{4,9}})(?:-step-(\d{{6,9}}))?({re.escape(_ENDING)}|{re.escape(_BEFORE_0_4)})"
)
_METRIC = "metrics/"  # Keras numbers the names of metrics anew in each process
_HASH_SIZE = 64
_LARGEST_HISTORY = 2**28  # bytes; the history of 100,000 epochs has fewer


class _DamageError(Exception):
    """Why a checkpoint cannot be trusted."""


@dataclasses.dataclass(frozen=True)
class Reached:
    """How far training has come.

    Attributes:
        epochs: the epochs done.
        history: their logs; None if a version before 0.4 wrote the checkpoint, which kept them
            elsewhere.
        step: steps done of the epoch that follows.
        seconds: how long these steps took.
        metrics: the state of the metrics after them, by number.
    """

    epochs: int = 0
    history: list[dict] | None = dataclasses.field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    metrics: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one stage.

    Args:
        folder: where they lie.
        run: identifies the settings of the run. A checkpoint of other settings is not loaded.
    """

    def __init__(self, folder: pathlib.Path, run: str = ""):
        self.folder = folder
        self.run = run

    def files(self) -> dict[int, pathlib.Path]:
        """The checkpoints of whole epochs: {epochs done: file}, the oldest first."""
        return {epochs: file for (epochs, step), file in self.all_files().items() if not step}

    def all_files(self) -> dict[tuple[int, int], pathlib.Path]:
        """All checkpoints: {(epochs done, steps done of the next): file}, the oldest first."""
        found = {}
        for file in sorted(self.folder.glob("epoch-*"), reverse=True):
            if match := _FILE.fullmatch(file.name):
                step = int(match[2] or 0)
                # Of two with one number, ".checkpoint" stays.
                found[int(match[1]) - bool(step), step] = file
        return dict(sorted(found.items()))

    def save(self, network: keras.Model, reached: Reached) -> None:
        """Writes a checkpoint, then removes all but the newest ones.

        HDF5 ends the whole process where a disk is full, so a checkpoint is put together in
        memory.

        Args:
            network: a compiled network whose optimizer is built, or one that is not compiled.
            reached: how far it has learned.

        Raises:
            UserError: if the file cannot be written. The older checkpoints are still there.
        """
        about = {
            "epochs_done": reached.epochs,
            "run": self.run,
            "network": network.name,
            "dvn_tf": dvn_tf.__version__,
            "history": reached.history,
        }
        if reached.step:
            about |= {"step": reached.step, "seconds": reached.seconds}
        arrays = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in _variables(network).items()
        }
        arrays |= {f"{_METRIC}{number}": value for number, value in reached.metrics.items()}
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        content = json.dumps(about).encode() + b"\n" + archive.getbuffer()
        write_bytes(self._file(reached), _with_hash(content))
        self._remove_old()

    def restore(self, network: keras.Model) -> Reached:
        """Loads the newest whole checkpoint into a network whose optimizer is built.

        A damaged checkpoint is set aside, and the one before it is loaded.

        Returns:
            How far the network has learned: nothing where there is no checkpoint.

        Raises:
            UserError: if no checkpoint is whole. Training would otherwise begin anew unnoticed.
        """
        found = self._newest(network)
        if found is None:
            return Reached()
        reached, values = found
        if isinstance(values, pathlib.Path):
            _load_weights(values, network)
            return reached
        self._remove_old()  # a program may have been killed before it did
        for name, variable in _variables(network).items():
            variable.assign(values[name])
        return reached

    def set_damaged_aside(self, network: keras.Model) -> None:
        """Does what `restore` does with damaged checkpoints, and loads none.

        Raises:
            UserError: as `restore`.
        """
        self._newest(network)

    def _newest(self, network: keras.Model):
        """The newest whole checkpoint: how far it came, and its variables or file."""
        for (epochs, step), file in reversed(self.all_files().items()):
            if file.name.endswith(_BEFORE_0_4):
                return Reached(epochs, history=None), file
            try:
                return self._read(file, epochs, step, network)
            except _DamageError as damage:
                self._set_aside(file, str(damage))
        if damaged := sorted(self.folder.glob(f"epoch-*{_DAMAGED}")):
            raise UserError(
                f"no checkpoint in {self.folder} is whole ({damaged[-1].name} and all others are "
                "damaged): put back copies of them, train in another --run_dir, or delete this "
                "folder to begin again with the first epoch"
            )
        return None

    def _file(self, reached: Reached) -> pathlib.Path:
        name = f"epoch-{reached.epochs:04d}"
        if reached.step:
            name = f"epoch-{reached.epochs + 1:04d}-step-{reached.step:06d}"
        return self.folder / f"{name}{_ENDING}"

    def _remove_old(self) -> None:
        files = self.all_files()
        epochs = [position for position in files if not position[1]]
        # A step of an epoch is of no use once the epoch is done.
        steps = [
            position for position in files if position[1] and position > max(epochs, default=(0, 0))
        ]
        kept = {*epochs[-KEPT_CHECKPOINTS:], *steps[-1:]}
        for position, old in files.items():
            if position not in kept:
                with writing(old):
                    old.unlink()

    def _read(
        self, file: pathlib.Path, epochs: int, step: int, network: keras.Model
    ) -> tuple[Reached, dict[str, np.ndarray]]:
        if not file.is_file():
            raise _DamageError("it is no regular file")
        # A file that was made huge would take all memory before its hash is known.
        arrays = map(keras.ops.convert_to_numpy, _variables(network).values())
        largest = 2 * sum(array.nbytes for array in arrays) + _LARGEST_HISTORY
        if file.stat().st_size > largest:
            raise _DamageError("it is larger than a checkpoint of this network")
        content = read_bytes(file, largest)
        if _with_hash(memoryview(content)[_HASH_SIZE + 1 :]) != content:
            raise _DamageError("its SHA-256 is another")
        try:
            about, arrays = content[_HASH_SIZE + 1 :].split(b"\n", 1)
            about = {"step": 0, "seconds": 0.0} | json.loads(about)
            found = {name: about[name] for name in ("epochs_done", "step", "run", "network")}
            history = [dict(epoch) for epoch in about["history"]]
            seconds = float(about["seconds"])
            with np.load(io.BytesIO(arrays), allow_pickle=False) as loaded:
                values = {name: loaded[name] for name in loaded.files}
        except Exception as error:  # zipfile, NumPy and json each raise their own
            raise _DamageError(f"{type(error).__name__}") from error
        expected = {"epochs_done": epochs, "step": step, "run": self.run, "network": network.name}
        for name, value in expected.items():
            if found[name] != value:
                what = {"epochs_done": "epoch", "run": "run (another config.gin)"}.get(name, name)
                raise _DamageError(f"it is of another {what}")
        metrics = dict(enumerate(network.metrics_variables)) if step else {}
        variables = _variables(network)
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        shapes |= {f"{_METRIC}{number}": tuple(one.shape) for number, one in metrics.items()}
        if {name: value.shape for name, value in values.items()} != shapes:
            raise _DamageError("it is of another network")
        # Not assigned: Keras resets the metrics at the beginning of an epoch.
        state = {number: values[f"{_METRIC}{number}"] for number in metrics}
        return Reached(epochs, history, step, seconds, state), values

    def _set_aside(self, file: pathlib.Path, why: str) -> None:
        aside = file.with_suffix(_DAMAGED)
        with writing(aside):
            file.replace(aside)
        print(f"The checkpoint {file} is damaged ({why}): set aside as {aside.name}.", flush=True)


def _variables(network: keras.Model) -> dict[str, keras.Variable]:
    """All variables that training changes, by names that are the same in every process."""
    found = {f"weights/{variable.path}": [] for variable in network.variables}
    for variable in network.variables:
        found[f"weights/{variable.path}"].append(variable)
    optimizer = getattr(network, "optimizer", None)
    while optimizer is not None:
        for variable in optimizer.variables:
            # Keras numbers the optimizers of a process, so the first part of a path varies.
            inside = variable.path.partition("/")[2]
            known = found.setdefault(f"optimizer/{inside}", [])
            if not any(variable is one for one in known):
                known.append(variable)
        optimizer = getattr(optimizer, "inner_optimizer", None)  # of a loss that is scaled
    # A network and its teacher have layers of the same names.
    return {
        f"{name}:{number}": variable
        for name, variables in found.items()
        for number, variable in enumerate(variables)
    }


def _with_hash(content) -> bytes:
    """The content of a file: its hash, and what is hashed."""
    return b"\n".join([hashlib.sha256(content).hexdigest().encode(), content])


def _load_weights(file: pathlib.Path, network: keras.Model) -> None:
    """Loads a checkpoint of a version before 0.4, of which no hash is known."""
    try:
        with current_weights(file) as current:
            network.load_weights(current)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"the checkpoint {file} is cut short or damaged: delete it, and the run goes on from "
            "the one before"
        ) from error
