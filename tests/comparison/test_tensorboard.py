"""What TensorBoard shows of finished runs, read back with TensorBoard's own readers."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from PIL import Image

from dvn_tf.comparison.report import write_report
from dvn_tf.training.tensorboard import HPARAMS, write_run


@pytest.fixture(scope="module")
def logged(made, tmp_path_factory):
    """J1 with what every run writes at its end, and with a report that was written twice."""
    folder = made.write_runs(tmp_path_factory.mktemp("runs") / "J1", "J1", "joint", made.JOINT)
    for file in folder.rglob("results.json"):
        write_run(file.parent / "tensorboard", json.loads(file.read_text()))
    for _ in range(2):
        write_report(folder)
    return folder


def events_of(folder):
    from tensorboard.backend.event_processing import event_accumulator

    reader = event_accumulator.EventAccumulator(str(folder), {"images": 0, "tensors": 0})
    reader.Reload()
    return reader


def hparams_of(reader, tag):
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = reader.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def layout_of(reader):
    from tensorboard.plugins.custom_scalar import layout_pb2

    [event] = reader.Tensors("custom_scalars__config__")
    return layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])


def test_a_run_has_its_hyper_parameters(logged):
    reader = events_of(logged / "dvn" / "seed1" / "tensorboard" / "final")
    start = hparams_of(reader, "_hparams_/session_start_info").session_start_info
    assert start.group_name == "J1 dvn seed 1"
    values = {
        name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()
    }
    assert values == {
        "method": "dvn",
        "scenario": "J1",
        "seed": 1,
        "backbone": "WRN-32-4",
        "units": 2,
        "epochs": 4,
        "batch_size": 128,
    }
    end = hparams_of(reader, "_hparams_/session_end_info").session_end_info
    assert end.status == 1  # success
    assert end.end_time_secs - start.start_time_secs == pytest.approx(3660, abs=60)


def test_a_run_has_its_final_accuracies(logged):
    run = logged / "dvn" / "seed1"
    reader = events_of(run / "tensorboard" / "final")
    outputs = json.loads((run / "results.json").read_text())["outputs"]
    tags = {tag for tag in reader.Tags()["tensors"] if tag.startswith("final/")}
    assert tags == {f"final/{name}" for name in outputs}
    for name, output in outputs.items():
        [event] = reader.Tensors(f"final/{name}")
        assert event.step == 4
        assert event.tensor_proto.float_val[0] == pytest.approx(output["accuracy"])


def test_writing_a_run_again_doubles_nothing(logged):
    run = logged / "dvn" / "seed1"
    results = json.loads((run / "results.json").read_text())
    write_run(run / "tensorboard", results)
    reader = events_of(run / "tensorboard" / "final")
    assert len(reader.Tensors("final/cifar10/level1")) == 1
    assert len(list((run / "tensorboard").rglob("events*"))) == 1


def test_the_layout_has_a_chart_for_each_task(logged):
    for folder in (logged / "dvn" / "seed0" / "tensorboard" / "final", logged / "comparison"):
        layout = layout_of(events_of(folder))
        assert [category.title for category in layout.category] == [
            "accuracy by task",
            "loss by task",
        ]
        for category, figure in zip(layout.category, ("accuracy", "loss"), strict=True):
            assert len(category.chart) == 2
            [pattern] = category.chart[0].multiline.tag
            tags = ["cifar10/level1", "cifar10/level12", "cifar100/level1", "cifar10/levels"]
            matched = [bool(re.match(pattern, f"{figure}/{tag}")) for tag in tags]
            assert matched == [True, True, False, False]
            assert not re.match(pattern, "final/cifar10/level1")


def test_the_comparison_has_the_figures(logged):
    reader = events_of(logged / "comparison")
    names = {path.stem for path in (logged / "report").glob("*.png")}
    images = {tag for tag in reader.Tags()["tensors"] if tag.startswith("comparison/")}
    assert images == {f"comparison/{name}" for name in names}
    for name in names:
        assert reader.SummaryMetadata(f"comparison/{name}").plugin_data.plugin_name == "images"
        [event] = reader.Tensors(f"comparison/{name}")
        width, height, png = event.tensor_proto.string_val
        file = logged / "report" / f"{name}.png"
        assert png == file.read_bytes()
        assert Image.open(file).size == (int(width), int(height))


def test_comparing_again_doubles_nothing(logged):
    reader = events_of(logged / "comparison")
    assert len(list((logged / "comparison").iterdir())) == 1
    assert all(len(reader.Tensors(tag)) == 1 for tag in reader.Tags()["tensors"])


@contextlib.contextmanager
def served(folder):
    """TensorBoard on a folder, a process of its own; gives its address."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", "--port=0"]
    process = subprocess.Popen(
        [*command, "--host=localhost", "--load_fast=false"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if match := re.search(r"TensorBoard .* at (http://\S+)", line):
                yield match[1]
                return
        pytest.fail("TensorBoard did not start")
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def hparams_tab(address, until):
    """What the HParams tab asks the server for, once all is read: experiment and sessions."""
    settings = {
        "startIndex": 0,
        "sliceSize": 100,
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": [{"hparam": "method", "order": "ORDER_ASC"}],
    }
    answers = {}
    for _ in range(60):  # it reads in the background
        for name, body in (("experiment", {}), ("session_groups", settings)):
            request = urllib.request.Request(
                f"{address}data/plugin/hparams/{name}",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                answers[name] = json.load(answer)
        if until(answers):
            break
        time.sleep(0.5)
    return answers["experiment"], answers["session_groups"]


def test_the_hparams_tab_has_every_run_with_its_metrics(logged, made):
    # Another scenario beside J1, of other tasks, must not hide J1's metrics nor be hidden.
    other = logged.parent / "S1"
    tasks = dict(zip(("first", "second"), made.CIFAR.values(), strict=True))
    made.write_runs(other, "S1", "sequential", {"lwf": made.SEQUENTIAL["lwf"]}, tasks, seeds=(0,))
    run = other / "lwf" / "seed0"
    write_run(run / "tensorboard", json.loads((run / "results.json").read_text()))
    write_report(other)
    names = {f"{task}/level{level}" for task in made.CIFAR for level in (1, 2)}
    names |= {"first/level1", "second/level1"}
    with served(logged.parent) as address:
        experiment, answer = hparams_tab(
            address,
            lambda answers: (
                answers["session_groups"].get("totalSize") == 13
                and len(answers["experiment"].get("metricInfos", [])) == 6
            ),
        )
    assert {info["name"] for info in experiment["hparamInfos"]} == set(HPARAMS)
    assert {info["name"]["tag"] for info in experiment["metricInfos"]} == {
        f"final/{name}" for name in names
    }
    assert answer["totalSize"] == 13
    for group in answer["sessionGroups"]:
        [session] = group["sessions"]
        scenario, method, seed, *rest = session["name"].split("/")
        assert rest == ["tensorboard", "final"]
        assert group["hparams"]["method"] == method
        file = logged.parent / scenario / method / seed / "results.json"
        outputs = json.loads(file.read_text())["outputs"]
        found = {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}
        assert found.keys() == {f"final/{name}" for name in outputs}
        for name, output in outputs.items():
            assert found[f"final/{name}"] == pytest.approx(output["accuracy"], rel=1e-6)
