"""What a report says of when, with what and on which machines its runs were trained."""

import json
import re

from dvn_tf.comparison.report import write_report


def test_provenance(made, j1):
    write_report(j1)
    settings = made.sections((j1 / "report" / "report.md").read_text())["Settings"]
    rows = dict(re.findall(r"^\| (.+?) +\| +(.+?) \|$", settings, re.MULTILINE))
    expected = {
        "finished": "2026-11-21",
        "dvn_tf": "0.3.0",
        "commit": "0123456789",
        "Keras": "3.12.0",
        "backend": "tensorflow 2.20.0",
        "Python": "3.11.9",
        "machine": "Processor X, 2 CPU cores",
        "training time, all runs": "12 h 12 min on Processor X, 2 CPU cores",
    }
    assert {key: rows[key] for key in expected} == expected
    assert "differ in" not in settings


def change_provenance(file, **changes):
    results = json.loads(file.read_text())
    results["provenance"] |= changes
    file.write_text(json.dumps(results))


def test_runs_of_several_machines_and_versions_say_so(made, j1):
    for seed in range(3):
        file = j1 / "dvn" / f"seed{seed}" / "results.json"
        change_provenance(file, device="GPU Y", cores=1, finished="2026-12-01T00:00:00+00:00")
    change_provenance(
        j1 / "packnet" / "seed2" / "results.json", keras="3.13.0", commit="f" * 40 + "+"
    )
    write_report(j1)
    found = made.sections((j1 / "report" / "report.md").read_text())
    for part in (
        "**The runs differ in commit, Keras and machine.** Training times of different machines "
        "cannot be compared.",
        "3.13.0 (PackNet+ 2)",
        "GPU Y, 1 CPU core (DVN 0, 1, 2)",
        "2026-11-21 to 2026-12-01",
    ):
        assert part in found["Settings"]
    assert "ffffffffff+ (PackNet+ 2)" in found["Settings"]
    [dvn] = [line for line in found["Cost"].splitlines() if line.startswith("| DVN ")]
    assert " 1 h 01 min (on GPU Y, 1 CPU core) |" in dvn


def test_old_files_say_that_nothing_was_recorded(made, j1):
    for file in j1.rglob("results.json"):
        file.write_text(json.dumps(made.without_counts(json.loads(file.read_text()))))
    write_report(j1)
    found = made.sections((j1 / "report" / "report.md").read_text())
    assert found["Settings"].count("not recorded") == 7
    assert "as measured on a machine that is not recorded" in found["Cost"]
