"""Bad arguments of every program: one line, no traceback, no hang."""

import os
import pathlib

from tests.faults import checks, processes
from tests.faults.fault import Failure, Trial, fault
from tests.faults.processes import Done
from tests.faults.reference import JOINT, TASKS

# {program: flags that make it work, with {run}, {export}, {image} and {new} for paths}
_COMMANDS = {
    "experiments.joint": ("--gin_file=gin/quickstart.gin", "--run_dir={new}"),
    "experiments.sequential": (
        "--gin_file=gin/quickstart_sequential.gin",
        "--run_dir={new}",
        "--initial_run={run}",
    ),
    "experiments.export": ("--run_dir={run}", "--export_dir={new}", "--format=litert"),
    "experiments.compare": ("--runs={run}", "--report_dir={new}"),
    "experiments.latency": ("--run_dir={run}", "--out_dir={new}", "--format=litert"),
    "experiments.affinity": ("--run_dir={run}", "--out={new}.gin", "--images=40"),
    "experiments.benchmark": ("--gin_file=gin/quickstart.gin", "--rounds=1"),
    "experiments.data_benchmark": ("--dataset=digits", "--caches=decoded", "--seconds=0.1"),
    "experiments.plan": ("--plan=docs/results/plan.toml", "--runs_dir={new}", "--dry_run"),
    "experiments.budget_plot": ("--export_dir={export}", "--budgets=1MB,2MB", "--output_dir={new}"),
    "experiments.predict": (
        "--export_dir={export}",
        f"--task={TASKS[0]}",
        "--budget=1MB",
        "{image}",
    ),
    "dvn_runtime.predict": (
        "--export_dir={export}",
        f"--task={TASKS[0]}",
        "--budget=1MB",
        "{image}",
    ),
}
# More flags, which take a bad value in any case.
_FURTHER = {
    "experiments.joint": ("--data_dir=", "--seed=", "--seeds=", "--runs_dir=", "--gin_param="),
    "experiments.sequential": ("--data_dir=", "--seeds=", "--old_run=", "--gin_param="),
    "experiments.export": ("--level=", "--task=", "--bundle=", "--data_dir="),
    "experiments.compare": (),
    "experiments.latency": ("--threads=", "--rounds=", "--batch_size=", "--task=", "--data_dir="),
    "experiments.affinity": ("--images=", "--data_dir="),
    "experiments.benchmark": ("--gin_param=",),
    "experiments.data_benchmark": ("--data_dir=", "--image_size=", "--batch_size=", "--pixels="),
    "experiments.plan": ("--workers=", "--minutes=", "--data_dir="),
    "experiments.budget_plot": ("--seconds=", "--format="),
    "experiments.predict": ("--format=",),
    "dvn_runtime.predict": ("--format=",),
}
_UNDECODABLE = os.fsdecode(b"\xff\xfe\x80")


@fault("argument", weight=4)
def bad_argument(trial: Trial) -> None:
    """Gives one flag of a program a bad value."""
    module = trial.rng.choice(sorted(_COMMANDS))
    given = list(_COMMANDS[module])
    position = trial.rng.randrange(len(given) + len(_FURTHER[module]))
    if position >= len(given):
        given.append(_FURTHER[module][position - len(given)])
        position = len(given) - 1
    flag = given[position]
    name, value = trial.rng.choice(_bad_values(trial.folder))
    given[position] = flag.partition("=")[0] + "=" + value if "=" in flag else value
    trial.step(f"{module} {given[position]:.60}, {name}".encode("ascii", "replace").decode())
    places = {
        "{run}": trial.reference.run(JOINT).folder,
        "{export}": trial.reference.export().folder,
        "{image}": trial.folder / "no-image.png",
        "{new}": trial.folder / "new",
    }
    arguments = []
    for argument in given:
        for mark, place in places.items():
            argument = argument.replace(mark, str(place))
        arguments.append(argument)
    _check(processes.run(module, *arguments, folder=trial.folder))


def _check(done: Done) -> None:
    """Fails unless the program ended well or with one error; argparse shows the usage before it."""
    if done.status == 2 and done.stderr.startswith("usage: "):
        last = done.stderr.rstrip().splitlines()[-1]
        if "error: " not in last or "Traceback" in done.stderr:
            raise Failure(f"no error after the usage: {last}")
        return
    checks.clean_end(done)


def _bad_values(folder: pathlib.Path) -> list[tuple[str, str]]:
    """(what it is, value) of values that are wrong for nearly every flag."""
    file, pipe, empty, loop = (folder / name for name in ("file.png", "pipe.png", "empty", "loop"))
    file.write_bytes(b"some bytes\n\xff\x00")
    os.mkfifo(pipe)
    empty.mkdir()
    loop.symlink_to(loop)
    return [
        ("a file", str(file)),
        ("below a file", str(file / "inner")),
        ("a pipe", str(pipe)),
        ("below a pipe", str(pipe / "inner")),
        ("an empty folder", str(empty)),
        ("a link to itself", str(loop)),
        ("a device", "/dev/zero"),
        ("a device", "/dev/full"),
        ("a folder of the system", "/proc/self"),
        ("missing", str(folder / "no/such/path")),
        ("an overlong name", "x" * 300),
        ("an overlong path", "x/" * 3000),
        ("undecodable", _UNDECODABLE),
        ("an undecodable path", str(folder / _UNDECODABLE)),
        ("empty", ""),
        ("a space", " "),
        ("a comma", ","),
        ("a line end", "a\nb"),
        ("an escape sequence", "\x1b[31mred"),
        ("an emoji", "\U0001f600"),
        ("a number", "0"),
        ("a negative number", "-1"),
        ("a huge number", "9" * 30),
        ("a number of 5,000 digits", "9" * 5000),
        ("not a number", "nan"),
        ("infinite", "inf"),
        ("a flag", "--help"),
        ("a format string", "%s%n{0}{run.__class__}"),
    ]
