"""Measures latency and memory of every network of an export folder on this device.

    python -m dvn_runtime.benchmark EXPORT

prints a table, with XNNPACK's packed weights and without. It needs no training packages.
"""

import json
import platform
import sys

# What takes time to import is imported in functions, so that Ctrl-C is answered meanwhile.
from dvn_runtime import program
from dvn_runtime.errors import RefusedFileError, UserError, printable
from dvn_runtime.program import report

_ROUNDS = 5  # in which all files take turns, so that a change of the clock rate meets all alike
_MOST_REPEATS = 100_000
_INTERNAL = ("network", "own", "refused")  # keys of a row that are not written


def main(argv: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: its arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 1 if a file was refused.

    Raises:
        UserError: if an argument or the export folder cannot be used.
    """
    args = _parser().parse_args(argv)
    if not 1 <= args.repeats <= _MOST_REPEATS:
        raise UserError(f"--repeats must be from 1 to {_MOST_REPEATS:,}, not {args.repeats}")
    from dvn_runtime.board import board_facts
    from dvn_runtime.files import check_target, write_text
    from dvn_runtime.manifest import read_manifest
    from dvn_runtime.network import checked_batch_size, checked_threads, import_litert
    from dvn_runtime.process import processor_name

    writes = args.json not in (None, "-")
    if writes:
        check_target(args.json)  # before minutes of measuring
    import_litert()
    options = {
        "num_threads": checked_threads(args.threads),
        "batch_size": checked_batch_size(args.batch),
    }
    manifest = read_manifest(args.export_dir, args.key)
    ways = {"both": (True, False), "yes": (True,), "no": (False,)}[args.packed]
    rows = [_row(network, packed) for network in _selected(manifest, args) for packed in ways]
    boards = {row["format"]: _board(args.board, row["format"]) for row in rows}
    status = _measure_memory(manifest, rows, options, boards)
    status |= _measure_latency(manifest, rows, options, args.repeats)
    rows = [row for row in rows if not row["refused"]]
    figures = {
        "machine": {"processor": processor_name(), "system": platform.platform()},
        "python": platform.python_version(),
        "litert": _litert_version(),
        "threads": args.threads,
        "batch": args.batch,
        "repeats": args.repeats,
        # Only of one image at a time, which is how a predictor runs networks.
        "board": board_facts(rows) if args.batch == 1 else {},
        "networks": [
            {key: value for key, value in row.items() if key not in _INTERNAL} for row in rows
        ],
    }
    if args.json == "-":
        print(json.dumps(figures, indent=2))
    else:
        print(_table(rows, figures))
    if writes:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")
        print(f"Wrote {args.json}", file=sys.stderr)
    return status


def run(argv: list[str]) -> int:
    """Runs the program, and ends it with one line whatever happens; see `program.run`."""
    return program.run(main, argv, "nothing of what was measured is kept")


def _parser() -> program.Parser:
    parser = program.Parser(
        prog="python -m dvn_runtime.benchmark",
        description=__doc__.partition("\n")[0],
        epilog="Memory is what a process of its own grows by when it runs the network; MB are "
        "10^6 bytes. Predicted is what a budget of resident memory counts. Latency is that of "
        "one run of --batch images: the median, and between which times 80 % of the runs lie.",
    )
    parser.add_argument("export_dir", metavar="EXPORT", help="Export folder with manifest.json.")
    parser.add_argument("--format", help="litert or litert_int8. Default: both.")
    parser.add_argument("--task", help="Only this task. Default: all.")
    parser.add_argument("--level", type=int, help="Only this level. Default: all.")
    parser.add_argument(
        "--packed",
        choices=("both", "yes", "no"),
        default="both",
        help="With packed weights, without, or both. Default: both.",
    )
    parser.add_argument(
        "--board", metavar="FILE", help="Predict with what --json wrote on this board before."
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads. Default: 1.")
    parser.add_argument("--batch", type=int, default=1, help="Images in a run. Default: 1.")
    parser.add_argument("--repeats", type=int, default=50, help="Timed runs. Default: 50.")
    parser.add_argument(
        "--json", metavar="FILE", help="Also write the figures here; - prints them."
    )
    parser.add_argument(
        "--key", help="PEM file of the public key that must have signed the export. Default: none."
    )
    parser.add_argument(
        "--debug", action="store_true", help="Show the traceback of an unexpected error."
    )
    return parser


def _selected(manifest, args) -> list:
    """The networks to measure."""
    from dvn_runtime.errors import shown
    from dvn_runtime.manifest import SUPPORTED_FORMATS

    if args.format not in (None, *SUPPORTED_FORMATS):
        known = ", ".join(SUPPORTED_FORMATS)
        raise UserError(f"format must be one of {known}, not {shown(args.format)}")
    if args.task is not None and args.task not in manifest.tasks:
        known = ", ".join(manifest.tasks)
        raise UserError(f"unknown task {shown(args.task)}; there are {known}")
    wanted = {"format": args.format, "task": args.task, "level": args.level}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    selected = [
        network
        for network in manifest.networks
        if all(getattr(network, key) == value for key, value in wanted.items())
    ]
    if not selected:
        what = " and ".join(f"{key} {value}" for key, value in wanted.items())
        raise UserError(
            f"{manifest.folder} holds no LiteRT network{' of ' if what else ''}{what}: export "
            "with --format=litert, or select others"
        )
    return selected


def _row(network, packed: bool) -> dict:
    return {
        "file": network.file,
        "format": network.format,
        "task": network.task,
        "level": network.level,
        "packed": packed,
        "accuracy": network.accuracy,
        "bytes": network.bytes,
        "parameters": network.parameters,
        "multiply_adds": network.multiply_adds,
        "resident": None,
        "predicted": None,
        "before": None,
        "latency_ms": None,
        "network": network,
        "own": None,  # bytes that are predicted for the network, without LiteRT's code
        "refused": False,
    }


def _board(path: str | None, format: str):
    from dvn_runtime.board import read_board
    from dvn_runtime.resident import FIXED

    return FIXED if path is None else read_board(path, format)


def _measure_memory(manifest, rows: list[dict], options: dict, boards: dict) -> int:
    """Adds memory, measured and predicted, to the rows; gives the exit status."""
    from dvn_runtime.measure import measure_memory
    from dvn_runtime.network import estimate_memory
    from dvn_runtime.resident import fixed_memory

    status = 0
    for number, row in enumerate(rows, 1):
        _progress(f"memory {number} of {len(rows)}: {row['file']}")
        network, packed = row["network"], row["packed"]
        task = manifest.tasks[network.task]
        try:
            memory = estimate_memory(manifest.folder, network, task)
            row["own"] = memory.resident(packed, **options)
            code = fixed_memory(network.format, [packed], boards[network.format])
            row["predicted"] = code + row["own"]
            measured = measure_memory(
                manifest.folder, network, task, pack_weights=packed, **options
            )
            row["resident"], row["before"] = measured.network, measured.before
        except RefusedFileError as error:
            row["refused"] = True
            status = report("error", f"refused {error}")
        except UserError as error:  # on systems that do not say it; latency can be measured
            report("warning", error)
    return status


def _measure_latency(manifest, rows: list[dict], options: dict, repeats: int) -> int:
    """Adds latency to the rows; gives the exit status."""
    import numpy as np

    from dvn_runtime.measure import time_runs

    status, seconds = 0, [[] for _ in rows]
    rounds = min(_ROUNDS, repeats)
    for turn in range(rounds):
        _progress(f"latency, round {turn + 1} of {rounds}")
        runs = repeats // rounds + (turn < repeats % rounds)
        for row, own in zip(rows, seconds, strict=True):
            if row["refused"]:
                continue
            network, task = row["network"], manifest.tasks[row["task"]]
            try:
                own += time_runs(
                    manifest.folder, network, task, runs, pack_weights=row["packed"], **options
                )
            except RefusedFileError as error:
                row["refused"] = True
                status = report("error", f"refused {error}")
    for row, own in zip(rows, seconds, strict=True):
        if own and not row["refused"]:
            p10, median, p90 = np.percentile(own, (10, 50, 90)) * 1e3
            row["latency_ms"] = {
                "median": round(median, 4), "p10": round(p10, 4), "p90": round(p90, 4)
            }  # fmt: skip
    return status


def _table(rows: list[dict], figures: dict) -> str:
    heads = ["task", "level", "format", "packed", "accuracy", "file MB", "ms", "10-90 %"]
    heads += ["memory MB", "predicted"]
    lines = [heads]
    for row in rows:
        latency = row["latency_ms"]
        accuracy = row["accuracy"]
        lines.append(
            [
                row["task"],
                str(row["level"]),
                row["format"],
                "yes" if row["packed"] else "no",
                "-" if accuracy is None else f"{accuracy:.2%}",
                _megabytes(row["bytes"]),
                f"{latency['median']:.3g}",
                f"{latency['p10']:.3g}-{latency['p90']:.3g}",
                _megabytes(row["resident"]),
                _megabytes(row["predicted"]),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if position in (0, 2, 3) else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    before = [row["before"] for row in rows if row["before"] is not None]
    threads, batch = figures["threads"], figures["batch"]
    text.append(
        f"\n{figures['machine']['processor']}, {threads} thread{'s' * (threads > 1)}, "
        f"{batch} image{'s' * (batch > 1)} a run, LiteRT {figures['litert']}"
    )
    if before:
        text.append(f"A process without a network: {_megabytes(min(before))} MB")
    return _printable_lines(text)


def _printable_lines(lines: list[str]) -> str:
    """Lines without characters that steer a terminal; names may come from a stranger's file."""
    return "\n".join(printable(part) for line in lines for part in line.split("\n"))


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:.2f}"


def _litert_version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _progress(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
