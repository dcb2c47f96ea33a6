"""Hostile gin: nothing in a settings file or a run folder is ever executed."""

import pathlib
import shutil

from tests.faults import checks, processes
from tests.faults.child import Strike
from tests.faults.fault import Failure, Trial, fault
from tests.faults.reference import JOINT, SEQUENTIAL

_MARKER = "executed"
_TOUCH = f"touch {_MARKER}"
_DYNAMIC = "from __gin__ import dynamic_registration\n"
# Each makes the marker if gin resolves its imports or calls what it names.
_PAYLOADS = {
    "os.system": f"{_DYNAMIC}import os\nRecipe.seed = @os.system()\nos.system.command = '{_TOUCH}'",
    "renamed module": f"{_DYNAMIC}import os as recipes\nRecipe.seed = @recipes.system()\n"
    f"recipes.system.command = '{_TOUCH}'",
    "subprocess": f"{_DYNAMIC}import subprocess\nScenario.name = @subprocess.getoutput()\n"
    f"subprocess.getoutput.cmd = '{_TOUCH}'",
    "macro": f"{_DYNAMIC}import os\nm = @os.system()\nRecipe.epochs = %m\n"
    f"os.system.command = '{_TOUCH}'",
    "singleton": f"{_DYNAMIC}import os\nRecipe.epochs = @gin.singleton()\n"
    f"gin.singleton.constructor = @os.system\nos.system.command = '{_TOUCH}'",
    "scope": f"{_DYNAMIC}import os\nRecipe.epochs = @x/os.system()\n"
    f"x/os.system.command = '{_TOUCH}'",
    "nested": f"{_DYNAMIC}import os\nRecipe.milestones = (0.1, [@os.system()])\n"
    f"os.system.command = '{_TOUCH}'",
    "import": "import hostile",
    "import as": "import hostile as harmless",
    "from import": "from hostile_package import module",
    "dynamic import": f"{_DYNAMIC}import hostile",
    "include of a package": "include 'hostile_package/settings.gin'",
    "include of a file": "include 'inner.gin'",
    "include of a file in a folder": "include './folder/../inner.gin'",
}
# A package's folder may hold gin files. The file is read, and the package is not imported.
_HARMLESS = ("include of a package",)
_PLACES = ("before", "after", "instead")


@fault("gin", weight=3)
def execute(trial: Trial) -> None:
    """Puts code into gin settings by every route that they may take."""
    _put_traps(trial.folder)
    name = trial.rng.choice(sorted(_PAYLOADS))
    payload = "".join(_disguise(trial, line) for line in _PAYLOADS[name].splitlines(keepends=True))
    route = trial.rng.choice(sorted(_ROUTES))
    trial.step(f"{name}, {route}")
    done, must_refuse = _ROUTES[route](trial, payload)
    if (trial.folder / _MARKER).exists():
        raise Failure(f"code was executed by {route}: {name}")
    if must_refuse and name not in _HARMLESS:
        checks.refused(done)
    else:
        checks.clean_end(done)


def _put_traps(folder: pathlib.Path) -> None:
    """Modules and files that make the marker when they are imported or included."""
    trap = f"open({str(folder / _MARKER)!r}, 'w').close()\n"
    (folder / "hostile.py").write_text(trap)
    (folder / "folder").mkdir()
    package = folder / "hostile_package"
    package.mkdir()
    (package / "__init__.py").write_text(trap)
    (package / "module.py").write_text(trap)
    (package / "settings.gin").write_text("Recipe.seed = 1\n")
    (folder / "inner.gin").write_text("import hostile\nRecipe.seed = 1\n")


def _disguise(trial: Trial, line: str) -> str:
    """The same line for gin, written another way."""
    return trial.rng.choice(("", "", "# a comment\n", "\n\n", "Recipe.epochs = 3\n")) + line


def _placed(trial: Trial, payload: str, text: str) -> str:
    place = trial.rng.choice(_PLACES)
    trial.step(place)
    parts = {"before": (payload, text), "after": (text, payload), "instead": (payload,)}[place]
    return "\n".join(parts) + "\n"


def _by_file(trial: Trial, payload: str):
    own = trial.folder / "own.gin"
    own.write_text(_placed(trial, payload, "include 'gin/quickstart.gin'"))
    return _joint(trial, "--gin_file=own.gin"), True


def _by_path(trial: Trial, payload: str):
    """A file is named as if it lay in a package, which gin would import."""
    return _joint(trial, "--gin_file=hostile_package/settings.gin", kill_at="config.gin"), False


def _by_param(trial: Trial, payload: str):
    lines = [payload] if trial.rng.random() < 0.5 else payload.splitlines()
    params = [f"--gin_param={line}" for line in lines if line.strip()]
    return _joint(trial, "--gin_file=gin/quickstart.gin", *params), True


def _joint(trial: Trial, *arguments, kill_at: str | None = None):
    run = trial.folder / "run"
    strike = kill_at and Strike(str(run), name=kill_at)
    return processes.run(
        JOINT.module, *arguments, f"--run_dir={run}", folder=trial.folder, strike=strike
    )


def _by_run(module: str, *arguments: str):
    """The route through the config.gin of a finished joint run."""

    def run(trial: Trial, payload: str):
        folder = _poisoned(trial, payload, JOINT)
        return processes.run(module, f"--run_dir={folder}", *arguments, folder=trial.folder), False

    return run


def _by_resuming(trial: Trial, payload: str):
    folder = _poisoned(trial, payload, JOINT)
    return JOINT.run(folder, trial.folder), False


def _by_initial_run(trial: Trial, payload: str):
    folder = _poisoned(trial, payload, SEQUENTIAL)
    arguments = [*SEQUENTIAL.arguments(trial.folder / "run"), f"--initial_run={folder}"]
    strike = Strike(str(trial.folder / "run"), name="config.gin")
    done = processes.run(SEQUENTIAL.module, *arguments, folder=trial.folder, strike=strike)
    return done, False


def _poisoned(trial: Trial, payload: str, training) -> pathlib.Path:
    """A copy of a run whose gin files hold the payload."""
    folder = trial.folder / "poisoned"
    shutil.copytree(trial.reference.run(training).folder, folder)
    files = sorted(folder.rglob("config.gin"))
    for file in files:
        file.write_text(_placed(trial, payload, file.read_text()))
    return folder


_ROUTES = {
    "--gin_file": _by_file,
    "--gin_param": _by_param,
    "--gin_file in a package": _by_path,
    "export --run_dir": _by_run("experiments.export", "--format=litert", "--level=1"),
    "latency --run_dir": _by_run("experiments.latency", "--format=litert", "--rounds=5"),
    "affinity --run_dir": _by_run("experiments.affinity", "--images=40"),
    "joint --run_dir": _by_resuming,
    "sequential --initial_run": _by_initial_run,
}
