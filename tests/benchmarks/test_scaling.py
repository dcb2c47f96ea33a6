import os
import re

import pytest

pytest.importorskip("jax")

SMALL = ["--gin_file=gin/quickstart.gin", "--gin_param=WideResNet.width=1"]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes need a core each")
def test_the_program_prints_its_figures(run_program):
    done = run_program("experiments.scaling", *SMALL, "--rounds=2")
    assert done.returncode == 0, done.stderr
    one, two = re.findall(r"(\d+\.\d+) s\b", done.stdout)
    assert float(one) > 0 and float(two) > 0
    assert re.search(r"median of the rounds +\d+\.\d\d +\(\d+\.\d\d, \d+\.\d\d\)", done.stdout)


def test_more_processes_than_cores_are_one_line(run_program):
    done = run_program("experiments.scaling", *SMALL, "--processes=4096")
    assert done.returncode == 1
    assert re.fullmatch(r"error: 4096 processes need a core each, .*\n", done.stderr)
