"""Measures what it takes to rise by one level: by an increment, and by the next network whole.

    python -m dvn_runtime.upgrade EXPORT

EXPORT holds the networks of a run with causal levels and their increments, both in the format
litert. It needs no training packages.
"""

import json
import platform
import sys

# What takes time to import is imported in functions, so that Ctrl-C is answered meanwhile.
from dvn_runtime import program
from dvn_runtime.errors import UserError, printable

_MOST_ROUNDS = 100_000
_WARM_UP = 2  # rounds that are not counted
_WAYS = ("increment", "whole")


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: its arguments; None takes those of the process.

    Returns:
        The exit status, 0.

    Raises:
        UserError: if an argument or the export folder cannot be used.
    """
    args = _parser().parse_args(argv)
    if not 1 <= args.rounds <= _MOST_ROUNDS:
        raise UserError(f"--rounds must be from 1 to {_MOST_ROUNDS:,}, not {args.rounds}")
    from dvn_runtime.files import check_target, write_text
    from dvn_runtime.manifest import read_manifest
    from dvn_runtime.network import checked_threads
    from dvn_runtime.process import processor_name

    if args.json:
        check_target(args.json)  # before minutes of measuring
    threads = checked_threads(args.threads)
    manifest = read_manifest(args.export_dir)
    tasks = list(manifest.tasks) if args.task is None else [args.task]
    rows = [row for task in tasks for row in measure_upgrades(manifest, task, args.rounds, threads)]
    figures = {
        "machine": {"processor": processor_name(), "system": platform.platform()},
        "threads": threads,
        "rounds": args.rounds,
        "upgrades": rows,
    }
    print(markdown(figures))
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")
        print(f"Wrote {args.json}", file=sys.stderr)
    return 0


def measure_upgrades(manifest, task: str, rounds: int, threads: int = 1) -> list[dict]:
    """Measures each upgrade of a task by one level, both ways in turn.

    Args:
        manifest: of an export folder.
        task: name of the task.
        rounds: how often.
        threads: CPU threads.

    Returns:
        For each level from 2 on {"task", "level", "increment", "whole"}; a way has the "bytes" of
        its file and the median milliseconds of "load" and "run", one image, and both as "total".

    Raises:
        UserError: if the folder has not both kinds of files.
    """
    import numpy as np

    from dvn_runtime.levels import LevelPredictor

    wholes = {n.level: n for n in manifest.networks if (n.task, n.format) == (task, "litert")}
    rows = []
    with LevelPredictor(manifest.folder, task, num_threads=threads) as predictor:
        shape = manifest.tasks[task].image_shape
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for level in range(2, predictor.highest_level + 1):
            if level not in wholes:
                raise UserError(
                    f"{manifest.folder} has no network of task {task!r}, level {level}, in the "
                    "format litert: export it with experiments.export --format=litert"
                )
            whole, ways = wholes[level], _ways(predictor, manifest, wholes[level], image, threads)
            times = {way: [] for way in _WAYS}
            for number in range(-_WARM_UP, rounds):
                for way in _WAYS if number % 2 else reversed(_WAYS):
                    seconds = ways[way]()
                    if number >= 0:
                        times[way].append((*seconds, sum(seconds)))
            predictor.upgrade()
            sizes = {"increment": predictor.increment.network.bytes, "whole": whole.bytes}
            row = {"task": task, "level": level}
            for way in _WAYS:
                load, run, total = (np.median(times[way], axis=0) * 1000).tolist()
                row[way] = {"bytes": sizes[way], "load": load, "run": run, "total": total}
            rows.append(row)
    return rows


def markdown(figures: dict) -> str:
    """A Markdown table of what was measured.

    Args:
        figures: what the program writes as JSON.
    """
    head = ("task", "to level", "increment", "load + run, ms", "whole", "load + run, ms", "time")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in figures["upgrades"]:
        cells = [printable(row["task"]), str(row["level"])]
        for way in _WAYS:
            found = row[way]
            cells.append(f"{found['bytes'] / 1e6:.2f} MB")
            cells.append(f"{found['load']:.2f} + {found['run']:.2f} = {found['total']:.2f}")
        cells.append(f"{row['increment']['total'] / row['whole']['total']:.2f}x")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(argv: list[str]) -> int:
    """Runs the program, and ends it with one line whatever happens; see `program.run`."""
    return program.run(main, argv, "nothing of what was measured is kept")


def _ways(predictor, manifest, whole, image, threads: int) -> dict:
    """{way: a function that rises by one level and falls again; gives (load, run) in seconds}."""
    import time

    from dvn_runtime.network import open_network

    def by_increment():
        predictor.predict(image)  # level l - 1, whose activations are kept
        started = time.perf_counter()
        predictor.upgrade()
        loaded = time.perf_counter()
        predictor.refine()
        done = time.perf_counter()
        predictor.downgrade()
        return loaded - started, done - loaded

    def by_whole():
        started = time.perf_counter()
        network = open_network(
            manifest.folder, whole, manifest.tasks[whole.task], num_threads=threads
        )
        loaded = time.perf_counter()
        network.predict(image[None])
        done = time.perf_counter()
        network.close()
        return loaded - started, done - loaded

    return {"increment": by_increment, "whole": by_whole}


def _parser() -> program.Parser:
    parser = program.Parser(
        prog="python -m dvn_runtime.upgrade",
        description=__doc__.partition("\n")[0],
        epilog="Both ways take turns; milliseconds are medians. Loading reads and checks the file. "
        "An increment runs from the activations that the level below has kept for the image.",
    )
    parser.add_argument("export_dir", metavar="EXPORT", help="Export folder with manifest.json.")
    parser.add_argument("--task", help="Only this task. Default: all.")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads. Default: 1.")
    parser.add_argument("--rounds", type=int, default=30, help="Timed rounds. Default: 30.")
    parser.add_argument("--json", metavar="FILE", help="Also write the figures here.")
    parser.add_argument(
        "--debug", action="store_true", help="Show the traceback of an unexpected error."
    )
    return parser


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
