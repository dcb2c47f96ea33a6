"""The program that measures an export on a device."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from dvn_runtime import benchmark, measure
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import read_manifest

ROOT = pathlib.Path(__file__).parents[2]
LINUX = pathlib.Path("/proc/self/statm").exists()


def run(export, *arguments):
    return benchmark.run([str(export.folder), "--repeats=3", *arguments])


def test_every_network_has_a_row_packed_and_not(pristine, tmp_path, capsys):
    assert run(pristine, f"--json={tmp_path / 'figures.json'}") == 0
    out, err = capsys.readouterr()
    table, _, note = out.partition("\n\n")
    head, *lines = table.splitlines()
    assert head.split()[:5] == ["task", "level", "format", "packed", "accuracy"]
    assert len({len(line) for line in [head, *lines]}) == 1  # aligned
    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = figures["networks"]
    expected = [
        (entry["file"], packed)
        for entry in pristine.manifest()["files"]
        if entry["format"].startswith("litert")
        for packed in (True, False)
    ]
    assert [(row["file"], row["packed"]) for row in rows] == expected and len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        entry = pristine.entry(row["task"], row["level"], row["format"])
        assert row["bytes"] == entry["bytes"] and row["accuracy"] == entry["accuracy"]
        latency = row["latency_ms"]
        assert 0 < latency["p10"] <= latency["median"] <= latency["p90"]
        cells = line.split()
        assert cells[:2] == [row["task"], str(row["level"])]
        assert cells[3:5] == ["yes" if row["packed"] else "no", f"{row['accuracy']:.2%}"]
        if LINUX:
            assert row["resident"] == pytest.approx(row["predicted"], rel=0.2)
            assert cells[-2:] == [f"{row['resident'] / 1e6:.2f}", f"{row['predicted'] / 1e6:.2f}"]
    assert f"LiteRT {figures['litert']}" in note and "1 thread, 1 image a run" in note
    assert "latency, round 3 of 3" in err  # progress is not in the table


def test_a_selection_on_standard_output_as_json(pristine, capsys):
    selection = ["--task=digits", "--level=2", "--format=litert_int8", "--packed=no"]
    assert run(pristine, *selection, "--threads=2", "--batch=4", "--json=-") == 0
    figures = json.loads(capsys.readouterr().out)
    [row] = figures["networks"]
    assert (row["task"], row["level"], row["packed"]) == ("digits", 2, False)
    assert (figures["threads"], figures["batch"], figures["repeats"]) == (2, 4, 3)


def test_batches_give_the_answers_of_single_images(pristine):
    from dvn_runtime.network import open_network

    manifest = read_manifest(pristine.folder)
    for network in manifest.networks[:2]:
        task = manifest.tasks[network.task]
        images = pristine.images[network.task][:5]  # not a multiple of the batch
        answers = []
        for size in (1, 2, 8):
            loaded = open_network(manifest.folder, network, task, batch_size=size)
            answers.append(loaded.predict(images))
            loaded.close()
        for other in answers[1:]:
            assert other.shape == answers[0].shape
            assert abs(other - answers[0]).max() < 1e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads=20000"], "num_threads must be a whole number from 1 to 128, not 20000"),
        (["--threads=0"], "num_threads must be"),
        (["--batch=0"], "batch_size must be a whole number from 1 to 4096, not 0"),
        (["--repeats=0"], "--repeats must be from 1"),
        (["--format=onnx"], "format must be one of litert, litert_int8, not 'onnx'"),
        (["--task=letters"], "unknown task 'letters'; there are colours, digits"),
        (["--level=9"], "holds no LiteRT network of level 9"),
        (["--key=absent.pem"], "absent.pem"),
        (["--threads=1.5"], "argument --threads: invalid int value: '1.5' (--help lists"),
        (["--packed=maybe"], "argument --packed: invalid choice: 'maybe'"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_bad_arguments_are_one_line(pristine, capsys, arguments, message):
    assert run(pristine, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: ") and message in err


def test_help_explains_the_figures(capsys):
    with pytest.raises(SystemExit) as ended:
        benchmark.run(["--help"])
    assert not ended.value.code
    out = capsys.readouterr().out
    for word in ("--batch", "--json FILE", "a process of its own", "80 % of the runs"):
        assert word in " ".join(out.split())


def test_no_export_is_one_line(tmp_path, capsys):
    assert benchmark.run([str(tmp_path)]) == 1
    assert "give the folder of an export" in capsys.readouterr().err


def test_a_damaged_file_is_named_and_the_others_are_measured(export, capsys):
    export.path("digits", 2).write_bytes(b"damaged")
    assert run(export, "--task=digits", "--format=litert", "--packed=yes") == 1
    out, err = capsys.readouterr()
    assert "error: refused litert/digits_level2.tflite: it has 7 bytes" in err
    assert [line.split()[1] for line in out.splitlines()[1:3]] == ["1", "3"]


def test_a_network_that_crashes_ends_only_its_own_process(pristine, monkeypatch, capsys):
    original = subprocess.run

    def crashing(command, **options):
        program = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
        return original([sys.executable, "-c", program], **options)

    monkeypatch.setattr(measure.subprocess, "run", crashing)
    assert run(pristine, "--task=digits", "--level=1", "--format=litert", "--packed=yes") == 1
    assert "crashed a process with SIGSEGV" in capsys.readouterr().err


def test_figures_that_cannot_be_written_leave_the_old_ones(pristine, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    selection = ["--task=digits", "--level=1", "--format=litert", "--packed=yes"]
    assert run(pristine, *selection, f"--json={tmp_path / 'folder'}") == 1
    err = capsys.readouterr().err  # at once, without a line of progress
    assert err == f"error: cannot write {tmp_path / 'folder'}: it is not a regular file\n"
    assert run(pristine, *selection, f"--json={tmp_path / 'absent' / 'x.json'}") == 1
    assert os.listdir(tmp_path) == ["folder"] and not os.listdir(tmp_path / "folder")
    figures = tmp_path / "figures.json"
    figures.write_text("old")
    assert run(pristine, *selection, f"--json={figures}") == 0
    assert json.loads(figures.read_text())["networks"]
    assert sorted(os.listdir(tmp_path)) == ["figures.json", "folder"]


def test_ctrl_c_is_one_line(pristine, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dvn_runtime.measure.time_runs", interrupted)
    assert run(pristine, "--task=digits", "--level=1") == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "interrupted: nothing of what was measured is kept"


def test_the_program_needs_no_training_packages(pristine):
    script = (
        "import runpy, sys\n"
        f"sys.argv = ['benchmark', {str(pristine.folder)!r}, '--level=1', '--repeats=1']\n"
        "try:\n    runpy.run_module('dvn_runtime.benchmark', run_name='__main__')\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "assert not {'tensorflow', 'keras', 'absl', 'matplotlib', 'dvn_tf'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "digits" in done.stdout


def test_memory_cannot_be_measured_without_proc(pristine, monkeypatch):
    monkeypatch.setattr("dvn_runtime.process._STATM", "/proc/absent")
    manifest = read_manifest(pristine.folder)
    network = manifest.networks[0]
    with pytest.raises(UserError, match="which only Linux has"):
        measure.measure_memory(manifest.folder, network, manifest.tasks[network.task])
