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

from dvn_tf import UnitTable, draw_table
from dvn_tf.comparison.report import write_report
from dvn_tf.training.event_files import EventFile, scalar
from dvn_tf.training.tensorboard import HPARAMS, write_run


@pytest.fixture(scope="module")
def logged(made, tmp_path_factory):
    """J1 with what every run writes at its end, and with a report that was written twice."""
    folder = made.write_runs(tmp_path_factory.mktemp("runs") / "J1", "J1", "joint", made.JOINT)
    draw_table(folder / "dvn" / "seed1" / "table.png", UnitTable.by_rule(2))
    for stage in ("task1", "task2"):
        draw_table(folder / "baseline" / "seed1" / stage / "table.png", UnitTable.prefix(1))
    for file in folder.rglob("results.json"):
        write_run(file.parent, json.loads(file.read_text()))
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


def values_of(reader) -> dict[str, float]:
    """The numbers of a run, of which each has one point."""
    values = {}
    for tag in reader.Tags()["tensors"]:
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            [event] = reader.Tensors(tag)
            [values[tag]] = event.tensor_proto.float_val
    return values


def layout_of(reader):
    from tensorboard.plugins.custom_scalar import layout_pb2

    [event] = reader.Tensors("custom_scalars__config__")
    return layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])


def test_a_run_has_its_hyper_parameters(logged):
    run = logged / "dvn" / "seed1"
    reader = events_of(run)
    start = hparams_of(reader, "_hparams_/session_start_info").session_start_info
    assert start.group_name == "seed 1 of dvn (J1)"
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
        "parameters": json.loads((run / "results.json").read_text())["parameters"],
    }
    end = hparams_of(reader, "_hparams_/session_end_info").session_end_info
    assert end.status == 1  # success
    assert end.end_time_secs - start.start_time_secs == pytest.approx(3660, abs=60)


def test_a_run_has_its_last_accuracies(logged):
    run = logged / "dvn" / "seed1"
    reader = events_of(run)
    outputs = json.loads((run / "results.json").read_text())["outputs"]
    expected = {}
    for level, size in ((1, "25 %"), (2, "full")):
        values = [outputs[f"{task}/level{level}"]["accuracy"] for task in ("cifar10", "cifar100")]
        expected[f"accuracy/cifar10/{size}"], expected[f"accuracy/cifar100/{size}"] = values
        expected[f"accuracy/average/{size}"] = sum(values) / 2
    expected["accuracy/average/largest"] = expected["accuracy/average/full"]
    assert values_of(reader) == {tag: pytest.approx(value) for tag, value in expected.items()}
    assert {event.step for tag in expected for event in reader.Tensors(tag)} == {4}


def test_what_the_last_epoch_wrote_is_not_written_again(logged, tmp_path):
    results = json.loads((logged / "baseline" / "seed0" / "results.json").read_text())
    file = EventFile(tmp_path, 1)
    file.write([(scalar("accuracy/cifar10/full", 0.5), 7)])  # the last epoch is the eighth
    file.write([(scalar("accuracy/cifar100/full", 0.5), 8)])
    file.close()
    write_run(tmp_path, results)
    reader = events_of(tmp_path)
    steps = {tag: [e.step for e in reader.Tensors(tag)] for tag in reader.Tags()["tensors"]}
    assert {tag: found for tag, found in steps.items() if tag.startswith("accuracy")} == {
        "accuracy/cifar10/full": [7, 8],
        "accuracy/cifar100/full": [8],
        "accuracy/average/full": [8],
        "accuracy/average/largest": [8],
    }


def test_an_average_names_the_size_that_all_tasks_have(logged):
    """NestedNet's first task has half of the parameters, and its second one all."""
    run = logged / "packnet" / "seed0"
    reader = events_of(run)
    outputs = json.loads((run / "results.json").read_text())["outputs"].values()
    mean = sum(output["accuracy"] for output in outputs) / 2
    averages = {tag: v for tag, v in values_of(reader).items() if "average" in tag}
    assert averages == {"accuracy/average/largest": pytest.approx(mean)}


def test_a_run_has_pictures_of_its_unit_tables(logged):
    for run, names in {
        "dvn/seed1": {"unit table": "table.png"},
        "baseline/seed1": {f"unit table/{t}": f"{t}/table.png" for t in ("task1", "task2")},
        "dvn/seed0": {},
    }.items():
        reader = events_of(logged / run)
        assert {t for t in reader.Tags()["tensors"] if "unit table" in t} == set(names)
        for tag, file in names.items():
            [event] = reader.Tensors(tag)
            assert event.tensor_proto.string_val[2] == (logged / run / file).read_bytes()


def test_writing_a_run_again_doubles_nothing(logged):
    run = logged / "baseline" / "seed1"
    results = json.loads((run / "results.json").read_text())
    write_run(run, results)
    reader = events_of(run)
    assert len(reader.Tensors("accuracy/cifar10/full")) == 1
    assert len(list(run.rglob("events*"))) == 1


def test_the_layout_compares_methods_at_full_size_and_shows_all_sizes(logged):
    tags = [
        "accuracy/average/full", "accuracy/average/largest", "accuracy/average/25 %",
        "accuracy/cifar10/full", "accuracy/cifar10/25 %", "accuracy/cifar100/full",
        "loss/cifar10/full", "train/accuracy/cifar10/full", "train/loss/cifar10/full",
    ]  # fmt: skip
    for folder in (logged / "dvn" / "seed0", logged / "comparison"):
        layout = layout_of(events_of(folder))
        shown = {}
        for category in layout.category:
            for chart in category.chart:
                [pattern] = chart.multiline.tag
                shown[chart.title] = {tag for tag in tags if re.match(pattern, tag)}
        assert shown == {
            "average: accuracy at full size": {"accuracy/average/full"},
            "average: accuracy, each task at its largest size": {"accuracy/average/largest"},
            "cifar10: accuracy at full size": {"accuracy/cifar10/full"},
            "cifar100: accuracy at full size": {"accuracy/cifar100/full"},
            "cifar10: accuracy at all sizes": {"accuracy/cifar10/full", "accuracy/cifar10/25 %"},
            "cifar100: accuracy at all sizes": {"accuracy/cifar100/full"},
            "cifar10: loss at all sizes": {"loss/cifar10/full"},
            "cifar100: loss at all sizes": set(),
        }


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
    write_run(run, json.loads((run / "results.json").read_text()))
    write_report(other)
    sizes = {
        "cifar10": ("full", "50 %", "25 %"),
        "cifar100": ("full", "25 %"),
        "first": ("full",),
        "second": ("full",),
        "average": ("full", "25 %", "largest"),
    }
    metrics = {f"accuracy/{name}/{size}" for name in sizes for size in sizes[name]}
    with served(logged.parent) as address:
        experiment, answer = hparams_tab(
            address,
            lambda answers: (
                answers["session_groups"].get("totalSize") == 13
                and len(answers["experiment"].get("metricInfos", [])) == len(metrics)
            ),
        )
    assert {info["name"] for info in experiment["hparamInfos"]} == set(HPARAMS)
    assert {info["name"]["tag"] for info in experiment["metricInfos"]} == metrics
    assert answer["totalSize"] == 13
    for group in answer["sessionGroups"]:
        [session] = group["sessions"]
        scenario, method, seed = session["name"].split("/")
        assert group["name"] == f"seed {seed.removeprefix('seed')} of {method} ({scenario})"
        assert group["hparams"]["method"] == method
        run = logged.parent / scenario / method / seed
        results = json.loads((run / "results.json").read_text())
        assert group["hparams"]["parameters"] == results["parameters"]
        found = {metric["name"]["tag"]: metric["value"] for metric in group.get("metricValues", [])}
        expected = values_of(events_of(run))
        assert found == {tag: pytest.approx(value, rel=1e-6) for tag, value in expected.items()}
