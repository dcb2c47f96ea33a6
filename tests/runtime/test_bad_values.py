"""Arguments of the wrong kind, type or size: each is one line, and nothing else happens."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dvn_runtime import BudgetedPredictor, choose_levels, predict, read_image
from dvn_runtime.budget import Budget, parse_budget
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedTask, read_manifest
from dvn_runtime.network import LoadedNetwork, open_network
from dvn_runtime.planner import Option

HUGE = 10**5000
ODD = [None, True, 1.5, float("nan"), float("inf"), "2", "", b"x", [], {}, [1], {1: 2}, object()]
ODD += [HUGE, -HUGE, -1, 0, np.float32(2), np.array([1, 2]), lambda: 1]


def repr_of(value) -> str:
    try:
        return f"{type(value).__name__} {value!r:.20}"
    except ValueError:
        return "huge"


def one_line(call):
    """Calls, and checks that what is raised is a `UserError` that can be read."""
    with pytest.raises(UserError) as caught:
        call()
    assert 10 < len(str(caught.value)) < 700


@pytest.mark.parametrize("value", [v for v in ODD if v is not None] + [20_000, 129], ids=repr_of)
def test_num_threads(pristine, value):
    one_line(lambda: BudgetedPredictor(pristine.folder, num_threads=value))


@pytest.mark.parametrize("value", [v for v in ODD if v is not True and v is not None], ids=repr_of)
def test_pack_weights(pristine, value):
    one_line(lambda: BudgetedPredictor(pristine.folder, pack_weights=value))


@pytest.mark.parametrize("name", ["num_threads", "batch_size"])
@pytest.mark.parametrize("value", [v for v in ODD if v is not None] + [20_000], ids=repr_of)
def test_numbers_of_a_network_that_is_opened(pristine, name, value):
    manifest = read_manifest(pristine.folder)
    network = manifest.networks[0]
    task = manifest.tasks[network.task]
    one_line(lambda: open_network(manifest.folder, network, task, **{name: value}))


@pytest.mark.parametrize(
    "value", [v for v in ODD if v is not None and not isinstance(v, str)], ids=repr_of
)
def test_resident(pristine, value):
    one_line(lambda: BudgetedPredictor(pristine.folder, resident=value))


@pytest.mark.parametrize("value", [v for v in ODD if v is not None], ids=repr_of)
def test_format(pristine, value):
    one_line(lambda: BudgetedPredictor(pristine.folder, format=value))


@pytest.mark.parametrize(
    "value", [*(v for v in ODD if v is not None), "9" * 400, "9" * 5000, "1e9", "9" * 99 + "GB"],
    ids=repr_of,
)  # fmt: skip
def test_budgets(value):
    if not (isinstance(value, str) and value == "2"):
        one_line(lambda: parse_budget(value))
    if not isinstance(value, str):
        one_line(lambda: Budget(value))


@pytest.mark.parametrize(
    "value", [v for v in ODD if not isinstance(v, list | dict | str | bytes) or v], ids=repr_of
)
def test_tasks_and_optional(pristine, value):
    for argument in ("tasks", "optional"):
        if not (argument == "tasks" and value is None):
            one_line(lambda name=argument: BudgetedPredictor(pristine.folder, **{name: value}))


NUMBERS = [True, "2", "", b"x", [], [1], object(), HUGE, -HUGE, -1, float("nan"), float("inf")]


@pytest.mark.parametrize("value", NUMBERS, ids=repr_of)
def test_weights_and_minima(value):
    options = [Option("a", 1, 10, 0.5)]
    for argument in ("weights", "minimum_accuracy"):
        one_line(lambda name=argument: choose_levels(options, 100, **{name: value}))
        one_line(lambda name=argument: choose_levels(options, 100, **{name: {"a": value}}))
        one_line(lambda name=argument: choose_levels(options, 100, **{name: {7: 1}}))


@pytest.mark.parametrize(
    "value",
    [*(v for v in ODD if not isinstance(v, str)), "2", "a" * 300, "\0", "\udcff", "/dev/null"],
    ids=repr_of,
)
def test_export_dir(value):
    one_line(lambda: read_manifest(value))


@pytest.mark.parametrize("value", [v for v in ODD if not isinstance(v, str) or v], ids=repr_of)
def test_names_of_tasks_and_images(pristine, value):
    with BudgetedPredictor(pristine.folder) as predictor:
        one_line(lambda: predictor.predict(value, pristine.images["colours"]))
        one_line(lambda: predictor.predict("colours", value))
        one_line(lambda: predictor.set_budget(value) if value is not None else read_manifest(None))


class Raising:
    def __array__(self, *_, **__):
        raise RuntimeError("no array today")


def test_an_object_that_is_no_array(pristine):
    with BudgetedPredictor(pristine.folder) as predictor:
        one_line(lambda: predictor.predict("colours", Raising()))


def test_a_network_that_fails_when_it_runs_is_replaced(export, monkeypatch):
    """Another level takes its place, once, and says so; without one the task is left out."""
    invoke = LoadedNetwork._invoke

    def failing(self, pixels):
        if self.network.task == "colours" and self.network.level in broken:
            raise RuntimeError("Input tensor 66 lacks data")
        return invoke(self, pixels)

    monkeypatch.setattr(LoadedNetwork, "_invoke", failing)
    broken = {3}
    with BudgetedPredictor(export.folder) as predictor:
        with pytest.warns(UserWarning, match="refused litert/colours_level3.tflite: LiteRT cannot"):
            answers = predictor.predict("colours", export.images["colours"])
        np.testing.assert_allclose(answers, export.answers["colours", 2], atol=1e-5)
        assert predictor.plan().networks["colours"].level == 2
        broken |= {1, 2}
        with (
            pytest.warns(UserWarning, match="refused"),
            pytest.raises(UserError, match=r"'colours' is left out: .*lacks data"),
        ):
            predictor.predict("colours", export.images["colours"])
        assert predictor.predict("digits", export.images["digits"]).shape == (6, 3)


def test_a_lack_of_memory_is_not_the_file_s_fault(pristine, monkeypatch):
    def failing(self, pixels):
        raise MemoryError

    monkeypatch.setattr(LoadedNetwork, "_invoke", failing)
    with BudgetedPredictor(pristine.folder) as predictor:
        one_line(lambda: predictor.predict("colours", pristine.images["colours"]))
        assert predictor.plan().refused == {}


TASK = ExportedTask("colours", (8, 8, 3), 4, ())


@pytest.mark.parametrize("value", [None, 7, 1.5, [], "a" * 300, "\0", "", object()], ids=repr_of)
def test_paths_of_images(value):
    one_line(lambda: read_image(value, TASK))


def test_a_program_that_fails_ends_with_one_line(pristine, monkeypatch, capsys):
    def failing(*_, **__):
        raise ZeroDivisionError("at\x1b[31m last\n")

    monkeypatch.setattr("dvn_runtime.predictor.BudgetedPredictor", failing)
    arguments = [f"--export_dir={pristine.folder}", "--task=colours", "x.png"]
    assert predict.run(arguments) == 70
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: unexpected ZeroDivisionError: at\\x1b[31m last (--debug shows")
    assert predict.run([*arguments, "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_one_line(pristine, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dvn_runtime.images.read_image", interrupted)
    arguments = [f"--export_dir={pristine.folder}", "--task=colours", "x.png"]
    assert predict.run(arguments) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("interrupted: images that are not")


def test_ctrl_c_while_litert_is_imported_is_one_line(pristine, tmp_path, monkeypatch, capsys):
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    module = "raise ImportError('initialization failed') from KeyboardInterrupt()"
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("ai_edge_litert")]:
        monkeypatch.delitem(sys.modules, name)
    assert predict.run([f"--export_dir={pristine.folder}", "--task=colours", "x.png"]) == 130
    assert capsys.readouterr().err.startswith("interrupted: images that are not")


def test_a_reader_that_goes_away_is_no_error(pristine, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    command = f"--export_dir={pristine.folder} --task=colours" + f" {tmp_path}/x.png" * 300
    script = "import os, runpy, sys\nr, w = os.pipe()\nos.close(r)\nos.dup2(w, 1)\n"
    script += f"sys.argv = ['predict'] + {command!r}.split()\n"
    script += "runpy.run_module('dvn_runtime.predict', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_names_of_classes_cannot_steer_a_terminal(export, tmp_path, capsys):
    names = ["\x1b]0;owned\x07", "b\n", "c", "d"]
    manifest = export.manifest()
    manifest["tasks"]["colours"]["class_names"] = names
    (export.folder / "manifest.json").write_text(json.dumps(manifest))
    for level in (1, 2, 3):
        export.rewrite(export.entry("colours", level), class_names=names)
    path = os.fsencode(tmp_path / "x") + b"\xff.png"
    Image.new("RGB", (8, 8)).save(os.fsdecode(path), format="PNG")
    arguments = [f"--export_dir={export.folder}", "--task=colours", os.fsdecode(path)]
    assert predict.run(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.strip().isprintable() and "\\udcff.png: " in out
