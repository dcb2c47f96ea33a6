"""Does the runs of a plan, one on each core, and says what is left.

    python -m experiments.plan --plan=docs/results/plan.toml --runs_dir=PLAN_RUNS --workers=2

Finished runs are left alone, and interrupted ones go on where they stopped, so that a plan can be
done in several sittings. `experiments/plans.py` says what a plan is. Each run writes what it prints
to a file beside its folder, such as PLAN_RUNS/J1/dvn/seed0.log.
"""

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator

from absl import flags

from dvn_runtime.errors import UserError
from experiments import plan_file, plans, programs
from experiments.folder_flags import define_folder

_PLAN = flags.DEFINE_string("plan", None, "The plan, a TOML file.", required=True)
_RUNS_DIR = define_folder("runs_dir", "runs", "Folder of all runs.")
_DATA_DIR = programs.define_data_dir_flag()
_WORKERS = flags.DEFINE_integer(
    "workers", 1, "How many runs to do at a time, each on a core of its own.", lower_bound=1
)
_MINUTES = flags.DEFINE_float(
    "minutes", None, "Stop after so many minutes; runs then stop after a step.", lower_bound=0
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Only say what is done and what is left.")

_POLL = 0.5  # seconds


def main(_):
    plan = plan_file.read_plan(_PLAN.value)
    runs_dir = pathlib.Path(_RUNS_DIR.value)
    try:
        if not _DRY_RUN.value:
            _work(plan, runs_dir)
    finally:
        print(_left(plan, runs_dir), flush=True)


def _work(plan: plans.Plan, runs_dir: pathlib.Path) -> None:
    """Does the runs that are left, until none is or the time is over."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    deadline = None if _MINUTES.value is None else time.monotonic() + 60 * _MINUTES.value
    working: dict[int, tuple[plans.Run, subprocess.Popen]] = {}
    failed: dict[pathlib.Path, int] = {}
    try:
        while True:
            for worker, (run, process) in list(working.items()):
                if process.poll() is not None:
                    del working[worker]
                    if process.returncode:
                        failed[run.folder] = process.returncode
                    _say_end(run, process.returncode)
            if deadline is not None and time.monotonic() > deadline:
                return
            for worker in {*range(_WORKERS.value)} - working.keys():
                begun = failed.keys() | {run.folder for run, _ in working.values()}
                run = next(_waiting(plan, runs_dir, begun), None)
                if run is not None:
                    core = cores and cores[worker % len(cores)]
                    working[worker] = run, _start(plan.command(run, _DATA_DIR.value), run, core)
                    print(f"begun: {run.name}", flush=True)
            if not working:
                break
            time.sleep(_POLL)
    finally:
        _stop(working)
    if failed:
        folder, status = next(iter(failed.items()))
        raise UserError(
            f"{len(failed)} of the runs failed, the first with status {status}: see {folder}.log"
        )


def _waiting(plan: plans.Plan, runs_dir: pathlib.Path, begun) -> Iterator[plans.Run]:
    for run in plan.runs(runs_dir):
        if run.folder not in begun and run.result() is None:
            yield run


def _start(command: list[str], run: plans.Run, core: int | None) -> subprocess.Popen:
    """Starts a run on a core of its own; its output goes to a file."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{run.folder}.log", "a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})  # before it starts any thread
    return process


def _stop(working: dict[int, tuple[plans.Run, subprocess.Popen]]) -> None:
    """Asks the runs that are going on to stop after a step, and waits for them."""
    for _, process in working.values():
        process.send_signal(signal.SIGTERM)
    for run, process in working.values():
        process.wait()
        print(f"stopped: {run.name}", flush=True)


def _say_end(run: plans.Run, status: int) -> None:
    if status:
        print(f"failed with status {status}: {run.name} ({run.folder}.log)", flush=True)
    else:
        accuracy, seconds = run.result()
        print(f"done: {run.name}: {accuracy:.2%} on average, {seconds:,.0f} s", flush=True)


def _left(plan: plans.Plan, runs_dir: pathlib.Path) -> str:
    """What is done and what is left, a line for each arm."""
    known = list(plan.runs(runs_dir))
    lines, seconds_left, unknown = [], 0.0, 0
    for study, arm in dict.fromkeys((run.study, run.arm) for run in known):
        runs = [run for run in known if (run.study, run.arm) == (study, arm)]
        done = [result[1] for result in (run.result() for run in runs) if result]
        best = plan.best(study, arm, runs_dir)
        text = f"{study}, {arm}: {len(done)} of {len(runs)} runs"
        if best is None:
            lines.append(f"{text} of its search")
        else:
            choices = plan.studies[study].arms[arm].choices
            choice = f", {choices[best.choice]}" if choices else ""
            lines.append(f"{text}, rate {best.rate:g}{choice}")
        if done:
            seconds_left += (len(runs) - len(done)) * sum(done) / len(done)
        else:
            unknown += len(runs)
    waiting = plan.unnamed(runs_dir)
    left = f"Left: about {seconds_left / 3600:.1f} hours of one core"
    if unknown or waiting:
        left += f", and {unknown + waiting} runs of arms of which none is finished"
    return "\n".join([*lines, f"{left}."])


def _interrupted() -> str:
    return "what is finished is kept; the same command goes on"


if __name__ == "__main__":
    programs.run(main, _interrupted)
