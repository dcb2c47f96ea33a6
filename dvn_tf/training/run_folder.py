"""The folder of one run, which one program writes and the next reads.

config.gin     the operative configuration, with every value in use, and the version that wrote it
table.png      the task x level table
checkpoints/   weights and optimizer after each of the last epochs
history.json   losses and accuracies of every epoch
events.out...  the same for TensorBoard
model.keras    the trained network
stage.json     the record of a finished stage; written after its network
results.json   every output's accuracy and cost; written last

A run of several stages has a folder of this form inside it for each stage. TensorBoard's files lie
in the run's folder alone.
"""

import difflib
import json
import pathlib
import re

import keras

import dvn_tf
from dvn_tf.errors import UserError
from dvn_tf.files import PARTIAL, atomic_file, clear_partial, write_json, write_text
from dvn_tf.networks.legacy import current_weights
from dvn_tf.networks.network import DeepVirtualNetwork, load_network

_CHECKPOINT = re.compile(r"epoch-(\d+)\.weights\.h5")
KEPT_CHECKPOINTS = 2
# A new number for every change after which the same settings give other weights. Version 1 padded
# strided convolutions as TensorFlow's "same" does and kept the rate in SGD's velocity.
TRAINING_VERSION = 2
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

    def check(self, config: str) -> None:
        """Checks that the folder is free, or has a run of this configuration.

        Raises:
            UserError: if it has a run of another configuration, or other files. Nothing is
                changed.
        """
        file = self.path / "config.gin"
        if file.exists():
            different = _difference(file.read_text(encoding="utf-8"), config)
            if different:
                raise UserError(
                    f"{self.path} holds a run of another configuration ({different}): choose "
                    "another --run_dir, or delete that folder if the run is not needed"
                )
        elif self.path.is_dir() and not all(
            path.name.startswith(PARTIAL) for path in self.path.iterdir()
        ):
            raise UserError(
                f"{self.path} holds files but no run (no config.gin): choose another --run_dir"
            )

    def check_training_version(self) -> None:
        """Checks that what is trained here so far was trained as this version trains.

        Raises:
            UserError: if a version whose training differs began the run. Nothing is changed.
        """
        file = self.path / "config.gin"
        if not file.exists():
            return
        match = _VERSION_LINE.match(file.read_text(encoding="utf-8"))
        if int(match[1] if match else 1) != TRAINING_VERSION:
            raise UserError(
                f"another version of dvn_tf trained the run in {self.path}, and trained in another "
                "way (see CHANGELOG.md): let that version finish it, or train it anew in another "
                "--run_dir"
            )

    def claim(self, config: str) -> None:
        """Makes the folder if absent, and writes the configuration into it.

        Raises:
            UserError: as `check` and `check_training_version`, or if the folder cannot be made.
        """
        self.check(config)
        self.check_training_version()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the run folder {self.path}: {error.strerror}") from error
        clear_partial(self.path)
        if not (self.path / "config.gin").exists():
            by = f"dvn_tf {dvn_tf.__version__}, training version {TRAINING_VERSION}"
            write_text(self.path / "config.gin", f"# Trained by {by}.\n{config}")

    def checkpoints(self) -> dict[int, pathlib.Path]:
        """The complete checkpoints: {epochs done: file}, the oldest first."""
        found = {}
        for file in (self.path / "checkpoints").glob("epoch-*"):
            if match := _CHECKPOINT.fullmatch(file.name):
                found[int(match[1])] = file
        return dict(sorted(found.items()))

    def save_checkpoint(self, network: keras.Model, epochs_done: int) -> None:
        """Writes weights and optimizer state, then removes all but the newest checkpoints."""
        file = self.path / "checkpoints" / f"epoch-{epochs_done:04d}.weights.h5"
        with atomic_file(file) as temporary:
            network.save_weights(temporary)
        for old in list(self.checkpoints().values())[:-KEPT_CHECKPOINTS]:
            old.unlink()

    def restore(self, network: keras.Model) -> int:
        """Loads the newest checkpoint into a network whose optimizer is built.

        Returns:
            The number of epochs done, 0 where there is no checkpoint.

        Raises:
            UserError: if the file is cut short, damaged or of another network.
        """
        checkpoints = self.checkpoints()
        if not checkpoints:
            return 0
        epochs_done, file = list(checkpoints.items())[-1]
        try:
            with current_weights(file) as current:
                network.load_weights(current)
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"the checkpoint {file} is cut short or damaged: delete it, and the run goes on "
                "from the one before"
            ) from error
        return epochs_done

    def history(self, epochs_done: int) -> list[dict]:
        """The logs of the first epochs, as `write_history` left them."""
        file = self.path / "history.json"
        return json.loads(file.read_text())[:epochs_done] if file.exists() else []

    def write_history(self, history: list[dict]) -> None:
        """Writes the logs of all epochs so far."""
        write_json(self.path / "history.json", history)

    def save_model(self, network: keras.Model) -> None:
        """Writes the trained network, without the optimizer's state."""
        with atomic_file(self.path / "model.keras") as temporary:
            network.save(temporary, include_optimizer=False)

    def load_model(self) -> DeepVirtualNetwork:
        """Loads the trained network.

        Raises:
            UserError: if there is none yet, or the file is cut short or damaged.
        """
        file = self.path / "model.keras"
        if not file.exists():
            raise UserError(
                f"{self.path} holds no trained network (model.keras): give the --run_dir of a "
                "finished run, or let the run finish with the command that started it"
                + self._networks_inside()
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
        return self._read("results.json")

    def stage(self) -> dict | None:
        """What `stage.json` holds; None while the stage is not finished.

        Raises:
            UserError: if the file is damaged.
        """
        if not (self.path / "model.keras").exists():
            return None  # taken away: the last checkpoint gives it back
        return self._read("stage.json")

    def write_stage(self, record: dict) -> None:
        """Writes `stage.json`, which says that the stage's network is written."""
        write_json(self.path / "stage.json", record)

    def _read(self, name: str) -> dict | None:
        file = self.path / name
        if not file.exists():
            return None
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(
                f"{file} is damaged: delete it, and the run's command writes it again"
            ) from error

    def write_results(self, results: dict) -> None:
        """Writes `results.json`, which marks the run as finished."""
        write_json(self.path / "results.json", results)


def _difference(old: str, new: str) -> str:
    """The first setting in which two configurations differ, "" where they agree."""

    def settings(text):
        lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
        return sorted(" ".join(line.split()) for line in lines if line and line[0] != "#")

    changes = [
        line
        for line in difflib.ndiff(settings(old), settings(new))
        if line.startswith(("- ", "+ "))
    ]
    before = [line[2:] for line in changes if line.startswith("- ")]
    after = [line[2:] for line in changes if line.startswith("+ ")]
    if before and after:
        return f"there: {before[0]}; asked for: {after[0]}"
    return (before or after or [""])[0]
