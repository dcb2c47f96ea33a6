"""A campaign of faults: kills, damaged and hostile files, wrong settings, full disks.

    python -m tests.faults --minutes=30 --seed=7

runs the programs as users do, disturbs them, and prints what was tried and what survived. The exit
status is 0 only if everything survived. A failed trial is repeated with --only=KIND:NUMBER.
"""

import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile

from experiments import framework_logs
from tests.faults import disks
from tests.faults.campaign import FAILED, Campaign, show, table
from tests.faults.kinds import FAULTS


def main() -> int:
    """Runs the program and returns its exit status."""
    args = _arguments()
    # Who starts the campaign in the background may ignore Ctrl-C, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    disks.isolate("tests.faults", sys.argv[1:])
    framework_logs.hide()
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = pathlib.Path(args.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        kinds = [args.only[0]] if args.only else args.kinds
        faults = {kind: FAULTS[kind] for kind in kinds}
        campaign = Campaign(faults, args.seed, folder, keep=args.keep is not None)
        print(f"seed {args.seed}", flush=True)
        outcomes = []
        trials = (
            iter([campaign.try_one(*args.only)])
            if args.only
            else campaign.run_for(60 * args.minutes, args.jobs)
        )
        for outcome in trials:
            outcomes.append(outcome)
            if outcome.result == FAILED:
                show(outcome, args.seed)
            elif args.only:
                print(f"{outcome.result}: {'; '.join(outcome.steps)}")
    print(table(outcomes))
    return int(any(outcome.result == FAILED for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=1, help="How long trials begin.")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.SystemRandom().randrange(10**6),
        help="By default random.",
    )
    parser.add_argument("--only", type=_trial, metavar="KIND:NUMBER", help="Repeat one trial.")
    parser.add_argument(
        "--kinds", type=_kinds, default=list(FAULTS), help=f"Some of {','.join(FAULTS)}."
    )
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="Trials at the same time."
    )
    parser.add_argument("--keep", metavar="FOLDER", help="Work here, and keep what failed.")
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    unknown = [kind for kind in kinds if kind not in FAULTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}, only {', '.join(FAULTS)}")
    return kinds


def _trial(text: str) -> tuple[str, int]:
    kind, _, number = text.rpartition(":")
    return _kinds(kind)[0], int(number)


if __name__ == "__main__":
    sys.exit(main())
