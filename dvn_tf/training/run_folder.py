"""The folder of one run, which one program writes and the next reads.

config.gin     the operative configuration, with every value in use, and the version that wrote it
table.png      the task x level table
checkpoints/   weights, optimizer and history after the last epochs, or where a run stopped
history.json   losses and accuracies of every epoch
events.out...  the same for TensorBoard
model.keras    the trained network
stage.json     the record of a finished stage; written after its network
correct.json   which test images every output classified correctly
results.json   every output's accuracy and cost; written last

A run of several stages has a folder of this form inside it for each stage. TensorBoard's files and
the lock (`.lock`, `.lock.json`) lie in the run's folder alone.

A run folder may come from a stranger or from a broken disk: it is data, checked when it is read.
"""

import contextlib
import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Mapping

import keras
import numpy as np

import dvn_tf
from dvn_runtime.files import read_bytes, read_json
from dvn_tf.errors import UserError, shown
from dvn_tf.files import PARTIAL, clear_partial, sha256, write_bytes, write_json, write_text
from dvn_tf.networks.network import DeepVirtualNetwork, load_network
from dvn_tf.training import config_text
from dvn_tf.training.checkpoints import Checkpoints, Reached
from dvn_tf.training.correctness import write_correctness
from dvn_tf.training.keras_file import keras_file
from dvn_tf.training.lock import LOCK_FILES, run_lock
from dvn_tf.training.schema import MEASURED, STAGE, mismatch, results_schema, schema_version

# A new number for every change after which the same settings give other weights. Version 1 padded
# strided convolutions as TensorFlow's "same" does and kept the rate in SGD's velocity.
TRAINING_VERSION = 2
_NETWORK_LIMIT = 2**34  # bytes
_CONFIG_LIMIT = 2**20  # bytes
_VERSION_LINE = re.compile(r"# Trained by dvn_tf \S+, training version (\d+)\.")


class RunFolder:
    """The folder of one run.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __str__(self):
        return str(self.path)

    @property
    def writes(self) -> bool:
        """Whether this process writes here; of several, only the first one does."""
        return True

    def inside(self, name: str) -> "RunFolder":
        """The folder of one stage."""
        return RunFolder(self.path / name)

    def is_claimed(self) -> bool:
        """Whether the folder has a run, finished or not."""
        return self._has_config()

    def _has_config(self) -> bool:
        return (self.path / "config.gin").exists()

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other processes from training here, see `dvn_tf.training.lock`."""
        return run_lock(self.path)

    def check(self, config: str) -> None:
        """Checks that the folder is free, or has a run of this configuration.

        Raises:
            UserError: if it has a run of another configuration, or other files. Nothing is
                changed.
        """
        if self._has_config():
            different = config_text.difference(self._config(), config)
            if different:
                raise UserError(
                    f"{self.path} holds a run of another configuration ({different}): choose "
                    "another --run_dir, or delete that folder if the run is not needed"
                )
        elif self.path.is_dir() and not all(
            path.name.startswith(PARTIAL) or path.name in LOCK_FILES for path in self.path.iterdir()
        ):
            raise UserError(
                f"{self.path} holds files but no run (no config.gin): choose another --run_dir"
            )

    def check_training_version(self) -> None:
        """Checks that what is trained here so far was trained as this version trains.

        Raises:
            UserError: if a version whose training differs began the run. Nothing is changed.
        """
        if not self._has_config():
            return
        match = _VERSION_LINE.match(self._config())
        if int(match[1] if match else 1) != TRAINING_VERSION:
            raise UserError(
                f"another version of dvn_tf trained the run in {self.path}, and trained in another "
                "way (see CHANGELOG.md): let that version finish it, or train it anew in another "
                "--run_dir"
            )

    def claim(self, config: str) -> None:
        """Makes the folder if absent, and writes the configuration into it.

        Only the holder of the run's lock may call this: what is half written is removed.

        Raises:
            UserError: as `check` and `check_training_version`, or if the folder cannot be made.
        """
        self.check(config)
        self.check_training_version()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the run folder {self.path}: {error.strerror}") from error
        clear_partial(self.path, all_of_them=True)
        if not self._has_config():
            by = f"dvn_tf {dvn_tf.__version__}, training version {TRAINING_VERSION}"
            write_text(self.path / "config.gin", f"# Trained by {by}.\n{config}")

    def checkpoints(self) -> dict[int, pathlib.Path]:
        """The checkpoints of whole epochs: {epochs done: file}, the oldest first."""
        return self._checkpoints().files()

    def last_checkpoint(self) -> tuple[int, int] | None:
        """The epochs done and the steps done of the next, of the newest checkpoint."""
        return max(self._checkpoints().all_files(), default=None)

    def save_checkpoint(self, network: keras.Model, reached: Reached) -> None:
        """Writes a checkpoint, see `Checkpoints.save`."""
        self._checkpoints().save(network, reached)

    def restore(self, network: keras.Model) -> Reached:
        """Loads the newest whole checkpoint, see `Checkpoints.restore`; the history is there."""
        reached = self._checkpoints().restore(network)
        if reached.history is not None:
            return reached
        history = self.history(reached.epochs)
        if len(history) < reached.epochs:
            raise UserError(
                f"{self.path / 'history.json'} has {len(history)} of the {reached.epochs} epochs "
                "that the last checkpoint has learned for: put back a copy of it, or train in "
                "another --run_dir"
            )
        return dataclasses.replace(reached, history=history)

    def history(self, epochs_done: int) -> list[dict]:
        """The logs of the first epochs, as `write_history` left them.

        Raises:
            UserError: if the file is damaged.
        """
        history = self._read("history.json", list)
        return [] if history is None else history[:epochs_done]

    def write_history(self, history: list[dict]) -> None:
        """Writes the logs of all epochs so far."""
        write_json(self.path / "history.json", history)

    def save_model(self, network: keras.Model) -> str:
        """Writes the trained network.

        Returns:
            The SHA-256 of the file.
        """
        content = keras_file(network)
        write_bytes(self.path / "model.keras", content)
        return hashlib.sha256(content).hexdigest()

    def load_model(self) -> DeepVirtualNetwork:
        """Loads the trained network.

        Raises:
            UserError: if there is none yet, or the file is cut short or damaged.
        """
        file = self.path / "model.keras"
        if not file.is_file():
            raise UserError(
                f"{self.path} holds no trained network (model.keras): give the --run_dir of a "
                "finished run, or let the run finish with the command that started it"
                + self._networks_inside()
            )
        record = self.stage() or self.results() or {}
        expected = record.get("model_sha256")  # versions before 0.4 wrote none
        is_large = file.stat().st_size > _NETWORK_LIMIT
        if expected is not None and (is_large or sha256(file) != expected):
            raise UserError(
                f"{file} is not a whole Keras model (its SHA-256 is another): restore it, or "
                "delete it and let the run's command write it again"
            )
        return load_network(file)

    def _networks_inside(self) -> str:
        """Where the networks are, if each stage has its own."""
        inside = sorted(file.parent for file in self.path.glob("*/model.keras"))
        return f"; there are networks in {', '.join(map(str, inside))}" if inside else ""

    def results(self) -> dict | None:
        """What `results.json` holds; None while the run is not finished.

        Raises:
            UserError: if the file is damaged.
        """
        return self._read("results.json", dict)

    def finished(self) -> dict | None:
        """As `results`, after checking that all is there that a report of the run needs."""
        results = self.results()
        if results is None:
            return None
        version = schema_version(results, self.path / "results.json")
        if damage := mismatch(results, results_schema(version)):
            raise self._damaged("results.json", damage)
        for name, output in results["outputs"].items():
            if name.rpartition("/level")[0] not in results["tasks"] or "units" not in output:
                raise self._damaged("results.json", f"results.outputs has {shown(name)}")
        return results

    def stage(self) -> dict | None:
        """What `stage.json` holds; None while the stage is not finished.

        Raises:
            UserError: if the file is damaged.
        """
        if not (self.path / "model.keras").exists():
            return None  # taken away: the last checkpoint gives it back
        record = self._read("stage.json", dict)
        form = STAGE | {"outputs": {"*": MEASURED}}
        if record is not None and "backends" in record:  # versions before 0.6 wrote none
            form["backends"] = [str]
        if record is not None and (damage := mismatch(record, form)):
            raise self._damaged("stage.json", damage)
        return record

    def write_stage(self, record: dict) -> None:
        """Writes `stage.json`, which says that the stage's network is written."""
        write_json(self.path / "stage.json", record)

    def write_results(self, results: dict, correct: Mapping[str, np.ndarray]) -> None:
        """Writes `results.json`, which marks the run as finished, and before it `correct.json`.

        Args:
            results: from `collect_results`.
            correct: which images each output classified correctly; {} if that is not known.
        """
        if correct:
            write_correctness(self.path / "correct.json", correct)
        write_json(self.path / "results.json", results)

    def _checkpoints(self) -> Checkpoints:
        run = ""
        if self._has_config():
            run = hashlib.sha256(
                "\n".join(config_text.settings(self._config())).encode()
            ).hexdigest()
        return Checkpoints(self.path / "checkpoints", run)

    def _config(self) -> str:
        """The text of config.gin."""
        file = self.path / "config.gin"
        try:
            return read_bytes(file, _CONFIG_LIMIT).decode()
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is damaged ({error}): put back a copy of it") from None

    def _read(self, name: str, kind: type) -> dict | list | None:
        """What a JSON file of the run holds; None if there is no such file."""
        file = self.path / name
        if not file.exists():
            return None
        try:
            content = read_json(file)
        except UserError as error:
            reason = str(error)
        else:
            if not (reason := mismatch(content, {} if kind is dict else [{}])):
                return content
        raise self._damaged(name, reason)

    def _damaged(self, name: str, reason: str) -> UserError:
        return UserError(
            f"{self.path / name} is damaged: delete it, and the run's command writes it again "
            f"({reason})"
        )
