"""The latency report: what it measures, and what it writes."""

import json
import sys

import numpy as np
import pytest

import dvn_tf
from dvn_tf.benchmarks import latency, latency_report, memory
from dvn_tf.export.formats import FORMATS, checked_formats, write_file

FIGURES = {
    "task": "a",
    "backbone": "WRN-8-2",
    "image_shape": [8, 8, 1],
    "threads": 1,
    "rounds": 5,
    "batch_size": 4,
    "machine": {"processor": "P", "cores": 2, "tensorflow": "2", "keras": "3"},
    "levels": [
        {
            "level": level,
            "units": list(range(1, level + 1)),
            "parameters": 1000 * level,
            "parameters_paper": 900 * level,
            "density": level / 2,
            "compression": 2 / level,
            "multiply_adds": 10**6 * level,
            "runtimes": {
                "litert": {
                    "bytes": 4000 * level,
                    "memory": {"peak": 50_000_000, "network": 10_000_000} if level == 1 else None,
                    "single": {
                        "milliseconds": [0.5 * level, 1.0 * level, 2.0 * level],
                        "speed_up": 2 / level,
                        "over_keras_export": 0.97,
                    },
                    "batch": {
                        "milliseconds": [1.0, 2.0, 3.0],
                        "speed_up": 1.0,
                        "over_keras_export": None,
                    },
                }
            },
        }
        for level in (1, 2)
    ],
}


def needs(*names):
    try:
        checked_formats(names)
    except dvn_tf.UserError as error:
        pytest.skip(str(error))


def test_functions_are_timed_in_turn():
    calls = []
    functions = {key: lambda key=key: calls.append(key) for key in "ab"}
    times = latency.time_in_turn(functions, rounds=4)
    assert {key: value.shape for key, value in times.items()} == {"a": (4,), "b": (4,)}
    # Each is called twice in a row, once to warm up and once timed, in alternating order.
    assert "".join(calls[:8]) == "aabbbbaa"
    assert all((value >= 0).all() for value in times.values())


def test_markdown():
    text = latency_report.markdown(FIGURES, "Title")
    assert text.startswith("# Title\n")
    assert "1 CPU thread" in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["1", "1", "1,000", "900", "50.0%", "2.0x", "1.0M"] in rows
    assert [
        "1", "0.00 MB", "50 (10) MB", "1 (0.5 to 2)", "2.00x", "2 (1 to 3)", "1.00x", "0.97",
    ] in rows  # fmt: skip
    assert "unknown" in text


def test_report_writes_three_files(tmp_path):
    latency_report.write_latency_report(tmp_path, FIGURES, "Title")
    assert {path.name for path in tmp_path.iterdir()} == {
        "latency.json", "latency.md", "latency.png",
    }  # fmt: skip
    assert json.loads((tmp_path / "latency.json").read_text()) == FIGURES
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_peak_memory_is_that_of_the_child(tmp_path):
    needs("litert")
    from dvn_tf.export.slim import slim_network

    sizes = {}
    ballast = np.ones(200_000_000, np.uint8)  # of this process, not of the child
    for width in (16, 128):
        table = dvn_tf.UnitTable((((1,),),))
        task = dvn_tf.TaskInfo("a", 10, (8, 8, 1))
        network = dvn_tf.DeepVirtualNetwork([task], table, dvn_tf.ResNet(10, width))
        path = tmp_path / f"{width}.tflite"
        write_file("litert", slim_network(network, "a", 1), path)
        sizes[width] = memory.peak_memory(FORMATS["litert"], path, "float32", (8, 8, 1))
    assert sizes[16]["peak"] < ballast.nbytes
    # The wider network has 19.6 million weights more, of four bytes each.
    assert sizes[128]["network"] - sizes[16]["network"] > 60_000_000


def test_untrained_network_from_the_program(run_program, tmp_path):
    needs("litert", "litert_int8", "onnx")
    done = run_program(
        "experiments.latency",
        "--gin_file=gin/quickstart.gin",
        "--untrained",
        f"--out_dir={tmp_path}",
        "--rounds=5",
        "--batch_size=4",
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "latency.json").read_text())
    assert [level["level"] for level in figures["levels"]] == [1, 2]
    for level in figures["levels"]:
        assert list(level["runtimes"]) == ["litert", "litert_int8", "onnx", "tf_saved_model"]
        for runtime, values in level["runtimes"].items():
            low, middle, high = values["single"]["milliseconds"]
            assert 0 < low <= middle <= high
            by_keras = values["single"]["over_keras_export"]
            assert (by_keras is None) == (runtime in ("litert_int8", "onnx"))
    full = figures["levels"][1]["runtimes"]["litert"]
    assert full["single"]["speed_up"] == 1.0
    assert "LiteRT float32" in done.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "nothing to time: give --run_dir, or --gin_file with --untrained"),
        (("--untrained", "--gin_file=gin/quickstart.gin", "--task=cats"), "no task 'cats'"),
    ],
)
def test_bad_settings(run_program, tmp_path, arguments, message):
    done = run_program("experiments.latency", *arguments, f"--out_dir={tmp_path / 'out'}")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
