"""What tests ask of runs and programs: one-line errors, files that are equal apart from times."""

import json
import pathlib
import subprocess


def one_line_error(done: subprocess.CompletedProcess) -> str:
    """The error that a program ended with, after checking its form."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.rstrip().endswith(lines[0])
    return lines[0]


_TIMES = ("seconds", "finished")


def without_seconds(value):
    """What a file of a run holds, apart from how long it took and when it ended."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key not in _TIMES}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def points_of(folder) -> dict[str, list[tuple]]:
    """{tag: (step, value) of every point}, as TensorBoard reads a run, apart from times."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    times = {"speed/images_per_second", "speed/seconds_left"}
    return {
        tag: [(e.step, *e.tensor_proto.float_val) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag not in times
    }


def assert_same_files(folder: pathlib.Path, whole: pathlib.Path) -> None:
    """Checks that two finished runs left the same files, bit for bit apart from their times."""
    contents = []
    for run in (folder, whole):
        files = {path.relative_to(run): path for path in run.rglob("*") if path.is_file()}
        contents.append(
            {
                name: _without_times(file)
                for name, file in sorted(files.items())
                # Every start begins another event file; a killed process leaves its name.
                if not name.name.startswith(("events.", ".lock"))
            }
        )
    assert contents[0].keys() == contents[1].keys()
    for name, content in contents[0].items():
        assert content == contents[1][name], name
    assert points_of(folder) == points_of(whole)


def _without_times(file: pathlib.Path):
    if file.suffix == ".json":
        return without_seconds(json.loads(file.read_text()))
    content = file.read_bytes()
    if file.suffix == ".checkpoint":
        _, about, variables = content.split(b"\n", 2)
        return without_seconds(json.loads(about)), variables
    return content
