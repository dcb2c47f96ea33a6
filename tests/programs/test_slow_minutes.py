"""Where time is short, slow tests are skipped, and fast ones are not."""

SLOW, FAST = "tests/training/test_lock.py", "tests/test_units.py"


def test_slow_tests_that_would_begin_too_late_are_skipped(run_program):
    flags = ["-n", "0", "-q", "-p", "no:cacheprovider", SLOW, FAST]
    late = run_program("pytest", *flags, "--slow-minutes=0", PYTEST_ADDOPTS="")
    assert late.returncode == 0 and " passed" in late.stdout
    assert "no time is left: --slow-minutes=0" in late.stdout
    skipped = int(late.stdout.split(" passed, ")[1].split()[0])
    collected = run_program("pytest", *flags[:3], "--collect-only", SLOW, PYTEST_ADDOPTS="")
    assert collected.stdout.count(f"{SLOW}::") == skipped > 0
