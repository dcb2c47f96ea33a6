"""Several devices and several processes learn what one device learns."""

import json

import pytest
from distribution.jobs import Job

# The first steps of a network double rounding errors; at this rate, an epoch leaves them small.
ARGUMENTS = ("--gin_param=Recipe.epochs = 1", "--gin_param=Recipe.learning_rate = 0.0001")
TWO = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=2"}
KINDS = {"joint": (), "sequential": ("--gin_file=gin/quickstart_sequential.gin",)}


def losses(folder):
    """{file and name: every loss of a run}."""
    found = {}
    for file in sorted(folder.rglob("history.json")):
        for number, epoch in enumerate(json.loads(file.read_text())):
            for name, value in epoch.items():
                if name.endswith(("loss", "cross_entropy")):
                    found[f"{file.parent.name}/{number}/{name}"] = value
    outputs = json.loads((folder / "run/results.json").read_text())["outputs"]
    return found | {name: output["loss"] for name, output in outputs.items()}


def finished(job):
    assert job.wait() == [0] * job.count, [job.errors(index) for index in range(job.count)]
    return losses(job.folder)


@pytest.fixture(scope="module", params=KINDS)
def one_device(request, tmp_path_factory):
    """The module, its arguments, and the losses of one device."""
    module = f"experiments.{request.param}"
    arguments = (*KINDS[request.param], *ARGUMENTS, "--run_dir=run")
    folder = tmp_path_factory.mktemp("one")
    expected = finished(Job(folder, 1, *arguments, module=module))
    assert len(expected) >= 14
    return module, arguments, expected


def test_two_devices_of_one_process(one_device, tmp_path):
    module, arguments, expected = one_device
    if module == "experiments.sequential":
        pytest.skip("the processes below are two devices, too")
    found = finished(Job(tmp_path, 1, *arguments, module=module, **TWO))
    assert found == pytest.approx(expected, abs=1e-5)
    assert found != expected  # two devices round otherwise, so two there were


def test_two_processes(one_device, tmp_path):
    module, arguments, expected = one_device
    job = Job(tmp_path, 2, *arguments, module=module)
    assert finished(job) == pytest.approx(expected, abs=1e-5)
    assert job.output(1) == job.errors(0) == job.errors(1) == ""
    assert "learned together" in job.output(0) or "Stage 2 of 2" in job.output(0)
