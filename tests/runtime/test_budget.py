import pytest

from dvn_runtime.budget import Budget, parse_budget
from dvn_runtime.errors import UserError


@pytest.mark.parametrize(
    ("written", "limit", "measure"),
    [
        ("8MB", 8_000_000, "bytes"),
        ("8 mb", 8_000_000, "bytes"),
        ("500kB", 500_000, "bytes"),
        ("2MiB", 2_097_152, "bytes"),
        ("2.3MB", 2_300_000, "bytes"),
        (".5GB", 500_000_000, "bytes"),
        ("1234", 1234, "bytes"),
        (1234, 1234, "bytes"),
        ("1234 bytes", 1234, "bytes"),
        ("1.5M params", 1_500_000, "parameters"),
        ("1.001k param", 1001, "parameters"),
        ("900000 parameters", 900_000, "parameters"),
        (None, None, "bytes"),
    ],
)
def test_reads_what_people_write(written, limit, measure):
    assert parse_budget(written) == Budget(limit, measure)


@pytest.mark.parametrize(
    "written", ["", "MB", "8XB", "-8MB", "0", 0, -1, True, 8.5, "eight", "1e6", "8MB params", [8]]
)
def test_refuses_the_rest(written):
    with pytest.raises(UserError, match="budget"):
        parse_budget(written)
