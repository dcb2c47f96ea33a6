"""Runs, exports and reports that nothing disturbed, each made once, to compare others with."""

import dataclasses
import functools
import json
import pathlib
import shutil
import threading
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.faults import checks, processes
from tests.faults.child import Strike
from tests.faults.fault import Failure

TASKS = ("digits_0-4", "digits_5-9")
EPOCHS = 3
# Real images and networks, but as small as they can be: a run takes seconds.
_SMALL = (
    "WideResNet.width = 1",
    "Recipe.batch_size = 32",
    "Task.train_examples = 20",
    f"Recipe.epochs = {EPOCHS}",
)


@dataclasses.dataclass(frozen=True)
class Training:
    """A program that trains.

    Attributes:
        module: the program.
        gin_file: its scenario.
        last_stage: the folder of the last stage in the run's folder.
    """

    module: str
    gin_file: str
    last_stage: str

    def arguments(self, run_dir: pathlib.Path) -> list[str]:
        """The arguments of a small run in a folder."""
        params = [f"--gin_param={param}" for param in _SMALL]
        return [f"--gin_file={self.gin_file}", *params, f"--run_dir={run_dir}"]

    def start(self, run_dir: pathlib.Path, folder: pathlib.Path, **options) -> processes.Program:
        """Starts a small run; see `processes.start`."""
        return processes.start(self.module, *self.arguments(run_dir), folder=folder, **options)

    def run(self, run_dir: pathlib.Path, folder: pathlib.Path, **options) -> processes.Done:
        """Starts a small run, and waits for its end."""
        return self.start(run_dir, folder, **options).wait()


JOINT = Training("experiments.joint", "gin/quickstart.gin", ".")
SEQUENTIAL = Training("experiments.sequential", "gin/quickstart_sequential.gin", TASKS[1])
TRAININGS = (JOINT, SEQUENTIAL)


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """What a program left that nothing disturbed.

    Attributes:
        folder: what it wrote; to be copied, not changed.
        operations: how many file operations it did there, and in the folder that holds it.
        seconds: how long it took.
    """

    folder: pathlib.Path
    operations: int
    seconds: float


def _once(make: Callable) -> Callable:
    """Makes a result once for each argument, even if several threads ask for it.

    What failed once fails again at once.
    """
    made, lock = {}, threading.RLock()

    @functools.wraps(make)
    def get(self, *arguments):
        with lock:
            key = (self, *arguments)
            if key not in made:
                try:
                    made[key] = make(self, *arguments)
                except Failure as failure:
                    made[key] = Failure(f"undisturbed: {failure}")
            if isinstance(made[key], Failure):
                raise made[key]
            return made[key]

    return get


class Reference:
    """Makes what is asked for when it is asked for.

    Args:
        folder: an empty folder to work in.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    @_once
    def run(self, training: Training) -> Undisturbed:
        """A finished run."""
        run_dir = self._place(f"run-{training.module}")
        return self._watch(training.module, training.arguments(run_dir), run_dir)

    @_once
    def unfinished(self, training: Training) -> pathlib.Path:
        """A run killed before it wrote its last stage's network: it has all its checkpoints."""
        run_dir = self._place(f"unfinished-{training.module}")
        stage = run_dir / training.last_stage
        strike = Strike(str(stage.resolve()), name="model.keras")
        done = training.run(run_dir, run_dir.parent, strike=strike)
        if done.status != -strike.signal:
            raise Failure(f"status {done.status} where a run was to be killed: {done.stderr}")
        return run_dir

    @_once
    def export(self) -> Undisturbed:
        """The joint run, exported for LiteRT."""
        export_dir = self._place("export")
        arguments = [f"--run_dir={self.run(JOINT).folder}", f"--export_dir={export_dir}"]
        return self._watch("experiments.export", [*arguments, "--format=litert"], export_dir)

    @_once
    def keys(self) -> tuple[pathlib.Path, pathlib.Path]:
        """Two pairs of keys: the files whose names end with .private and .public beside these."""
        pairs = self._place("signer"), self._place("stranger")
        for number, path in enumerate(pairs):
            private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
            path.with_suffix(".private").write_bytes(
                private.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            path.with_suffix(".public").write_bytes(
                private.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        return pairs

    @_once
    def signed_export(self, signer: int) -> pathlib.Path:
        """The joint run, exported for LiteRT and signed with one of `keys`."""
        export_dir = self._place(f"signed-{signer}")
        done = processes.run(
            "experiments.export",
            f"--run_dir={self.run(JOINT).folder}",
            f"--export_dir={export_dir}",
            "--format=litert",
            f"--sign={self.keys()[signer].with_suffix('.private')}",
            folder=export_dir.parent,
        )
        checks.ended_well(done)
        return export_dir

    @_once
    def report(self) -> Undisturbed:
        """The report of the joint run; the runs lie in `runs` beside it."""
        folder = self._place("report")
        shutil.copytree(self.run(JOINT).folder, folder.parent / "runs/seed0")
        return self._watch("experiments.compare", ["--runs=runs", "--report_dir=report"], folder)

    @_once
    def images(self) -> pathlib.Path:
        """A file of images for both tasks."""
        path = self._place("images.npy")
        rng = np.random.default_rng(0)
        np.save(path, rng.integers(0, 256, (7, 8, 8, 1), np.uint8))
        return path

    @_once
    def answers(self, task: str, level: int) -> dict:
        """What the export's network of a task and level answers, and its classes."""
        folder = self._place(f"answers-{task}-{level}") / "export"
        shutil.copytree(self.export().folder, folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"] = [
            entry for entry in manifest["files"] if (entry["task"], entry["level"]) == (task, level)
        ]
        (folder / "manifest.json").write_text(json.dumps(manifest))
        done = self.ask(folder, folder.parent)
        checks.ended_well(done)
        return json.loads(done.stdout)[task]

    def ask(self, export_dir: pathlib.Path, folder: pathlib.Path, *arguments) -> processes.Done:
        """Asks an export folder for answers, in a process of its own; see `answers`."""
        return processes.run(
            "tests.faults.answers",
            f"--export_dir={export_dir}",
            f"--images={self.images()}",
            *arguments,
            folder=folder,
        )

    def _watch(self, module: str, arguments: list[str], folder: pathlib.Path) -> Undisturbed:
        log = folder.parent / "operations"
        strike = Strike(str(folder.parent), log=str(log))
        done = processes.run(module, *arguments, folder=folder.parent, strike=strike)
        checks.ended_well(done)
        return Undisturbed(folder, len(log.read_text().splitlines()), done.seconds)

    def _place(self, name: str) -> pathlib.Path:
        """A path of that name in a folder of its own."""
        folder = self._folder / f"{name}-reference"
        folder.mkdir(parents=True)
        return folder / name
