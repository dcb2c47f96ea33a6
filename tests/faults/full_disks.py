"""Full and read-only disks: one line, nothing lost, and the run goes on when there is room."""

import functools
import pathlib
import shutil

from tests.faults import checks, processes
from tests.faults.disks import small_disk
from tests.faults.fault import Failure, Trial, fault
from tests.faults.kills import same_files
from tests.faults.reference import JOINT, TRAININGS

_PAGE = 4096  # bytes
_ROOM = 256 * 2**20  # bytes, more than anything here needs
_FORMATS = ("litert", "keras", "tf_saved_model", "onnx", "litert_int8")


@fault("full-disk", weight=3)
def train_on_full_disk(trial: Trial) -> None:
    """Lets the disk of a run get full; with room again, the run ends as it should."""
    training = trial.rng.choice(TRAININGS)
    undisturbed = trial.reference.run(training)
    size = _share(trial, undisturbed.folder)
    trial.step(f"{training.module}, a disk of {size} bytes")
    with small_disk(trial.folder / "disk", size) as disk:
        run = disk.folder / "run"
        if not checks.clean_end(training.run(run, trial.folder)):
            _no_unfinished(disk.folder)
        disk.resize(_ROOM)
        checks.ended_well(training.run(run, trial.folder))
        checks.same_run(run, undisturbed.folder)


@fault("file-limit")
def train_under_file_limit(trial: Trial) -> None:
    """Lets the system refuse large files; without the limit, the run ends as it should."""
    training = trial.rng.choice(TRAININGS)
    undisturbed, run = trial.reference.run(training), trial.folder / "run"
    sizes = [file.stat().st_size for file in undisturbed.folder.rglob("*")]
    limit = 1 + int(trial.rng.random() ** 2 * max(sizes))
    trial.step(f"{training.module}, files of at most {limit} bytes")
    if not checks.clean_end(training.run(run, trial.folder, file_limit=limit)):
        _no_unfinished(trial.folder)
    checks.ended_well(training.run(run, trial.folder))
    checks.same_run(run, undisturbed.folder)


@fault("full-disk-export", weight=2)
def export_to_full_disk(trial: Trial) -> None:
    """Lets the disk of an export get full, in every format; with room again, it is whole."""
    undisturbed = trial.reference.export()
    formats = trial.rng.choice((*_FORMATS, "bundle"))
    size = _share(trial, undisturbed.folder)
    trial.step(f"{formats}, a disk of {size} bytes")
    with small_disk(trial.folder / "disk", size) as disk:
        folder = disk.folder / "export"
        export = functools.partial(
            processes.run,
            "experiments.export",
            f"--run_dir={trial.reference.run(JOINT).folder}",
            f"--export_dir={folder}",
            "--bundle=all" if formats == "bundle" else f"--format={formats}",
            folder=trial.folder,
        )
        if not checks.clean_end(export()):
            _no_unfinished(disk.folder)
            checks.whole_export(folder)
        disk.resize(_ROOM)
        checks.ended_well(export())
        if checks.whole_export(folder) != (1 if formats == "bundle" else 4):
            raise Failure("the manifest does not list every network")
        if formats == "litert":
            same_files(folder, undisturbed.folder)


@fault("full-disk-report")
def report_to_full_disk(trial: Trial) -> None:
    """Lets the disk of a report get full; the old report stays, and the new one follows."""
    undisturbed = trial.reference.report()
    shutil.copytree(trial.reference.run(JOINT).folder, trial.folder / "runs/seed0")
    has_old = trial.rng.random() < 0.5
    size = _share(trial, undisturbed.folder)
    trial.step(f"a disk of {size} bytes, {'over an old report' if has_old else 'no report yet'}")
    with small_disk(trial.folder / "disk", _ROOM) as disk:
        report = disk.folder / "report"
        if has_old:
            shutil.copytree(undisturbed.folder, report)
        disk.resize(_used(disk.folder) + size)
        compare = functools.partial(
            processes.run,
            "experiments.compare",
            "--runs=runs",
            "--report_dir=disk/report",
            folder=trial.folder,
        )
        if not checks.clean_end(compare()):
            _no_unfinished(disk.folder)
            if has_old and not (report / "report.md").is_file():
                raise Failure("the old report is lost")
        disk.resize(_ROOM)
        checks.ended_well(compare())
        if checks.files_of(report) != checks.files_of(undisturbed.folder):
            raise Failure("the report lacks files")


@fault("read-only")
def write_to_read_only(trial: Trial) -> None:
    """Makes a folder read-only before a program writes there."""
    reference = trial.reference.run(JOINT).folder
    what = trial.rng.choice(("new run", "unfinished run", "export", "report", "latency"))
    trial.step(what)
    with small_disk(trial.folder / "disk", _ROOM) as disk:
        if what == "unfinished run":
            shutil.copytree(trial.reference.unfinished(JOINT), disk.folder / "run")
        before = sorted(disk.folder.rglob("*"))
        disk.protect()
        where = disk.folder / "run"
        if what in ("new run", "unfinished run"):
            done = JOINT.run(where, trial.folder)
        else:
            module, *arguments = {
                "export": ("experiments.export", f"--run_dir={reference}", f"--export_dir={where}"),
                "report": ("experiments.compare", f"--runs={reference}", f"--report_dir={where}"),
                "latency": ("experiments.latency", f"--run_dir={reference}", f"--out_dir={where}"),
            }[what]
            done = processes.run(module, *arguments, folder=trial.folder)
        checks.refused(done)
        if sorted(disk.folder.rglob("*")) != before:
            raise Failure("files changed on a read-only disk")


def _share(trial: Trial, folder: pathlib.Path) -> int:
    """A size that is too small for a folder, mostly."""
    return _PAGE * max(1, int(trial.rng.random() * _used(folder) / _PAGE))


def _used(folder: pathlib.Path) -> int:
    """The bytes of whole pages that the files of a folder take, and some for the folders."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(-(-file.stat().st_size // _PAGE) * _PAGE for file in files) + 4 * _PAGE


def _no_unfinished(folder: pathlib.Path) -> None:
    checks.files_of(folder)  # raises where an unfinished file is left
