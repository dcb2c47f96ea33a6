"""Files and folders that a comparison cannot use: one line that names them, and no report."""

import json
import os
import pathlib
import resource

import pytest

import dvn_tf
from dvn_tf.comparison.report import write_report
from dvn_tf.comparison.runs import read_runs

DEEP = "[" * 100_000 + "]" * 100_000


def results_with(place: str, value):
    """A function that sets a value of a results.json, at a place such as "tasks.*.classes"."""

    def change(run: pathlib.Path) -> None:
        file = run / "results.json"
        results = json.loads(file.read_text())
        parts = [results]
        *keys, last = place.split(".")
        for key in keys:
            parts = [
                inner
                for part in parts
                for inner in (
                    list(part.values() if isinstance(part, dict) else part)
                    if key == "*"
                    else [part[key]]
                )
            ]
        for part in parts:
            part[last] = value
        file.write_text(json.dumps(results))

    change.__name__ = f"{place} = {value!r:.30}"
    return change


def renamed(kind: str, old: str, new: str):
    """A function that replaces a text everywhere in a results.json."""

    def change(run: pathlib.Path) -> None:
        text = (run / "results.json").read_text()
        assert old in text
        (run / "results.json").write_text(text.replace(old, json.dumps(new)[1:-1]))

    change.__name__ = kind
    return change


def text_of(name: str, text: str):
    def change(run: pathlib.Path) -> None:
        (run / name).write_text(text)

    change.__name__ = f"{name} is {text:.20}"
    return change


def pipe(name):
    def change(run):
        (run / name).unlink()
        os.mkfifo(run / name)

    change.__name__ = f"{name} is a pipe"
    return change


def folder(name):
    def change(run):
        (run / name).unlink()
        (run / name).mkdir()

    change.__name__ = f"{name} is a folder"
    return change


def link(name, target):
    def change(run):
        (run / name).unlink()
        (run / name).symlink_to(target)

    change.__name__ = f"{name} is a link to {target}"
    return change


def deep_folders(run):
    (run / "/".join("d" * 60)).mkdir(parents=True)


NAMES = ("results.json", "history.json")
TEXTS = ("", "{", "3", "null", '"text"', DEEP, "NaN", "1" + "0" * 400, '{"a": 1, "a": 2}', "\0")
BAD = [
    *(text_of(name, text) for name in NAMES for text in TEXTS),
    *(make(name) for name in NAMES for make in (pipe, folder)),
    *(link(name, target) for name in NAMES for target in ("/dev/zero", "nowhere", name)),
    *(
        results_with("outputs.*." + key, value)
        for key in ("loss", "density", "bytes", "parameters", "multiply_adds")
        for value in (-1, 10**18, "much", [], float("nan"))
    ),
    *(
        results_with(key, value)
        for key in ("seed", "epochs", "batch_size", "units", "levels", "num_networks", "seconds")
        for value in (-1, 10**18, True)
    ),
    *(
        results_with("tasks.*." + key, value)
        for key in ("classes", "train_images", "test_images")
        for value in (-1, 0, 10**18, 2.5)
    ),
    *(
        results_with("stages.*." + key, value)
        for key, value in (
            ("name", ".."),
            ("name", "../../dvn/seed0"),
            ("name", "/etc"),
            ("name", ""),
            ("epochs", 10**9),
            ("learned", [{}]),
            ("learned", ["no task"]),
        )
    ),
    *(
        results_with(key, value)
        for key in ("title", "scenario", "method", "backbone", "provenance.device")
        for value in ("<script>", "![](http://example.org/)", "a\nb", "x" * 1000, "\x1b[2J", "`")
    ),
    renamed("level of many digits", "/level1", "/level" + "1" * 5000),
    renamed("large level", "/level2", "/level4000000000"),
    renamed("level in other digits", "/level2", "/level\u0662"),
    renamed("level twice", "/level2", "/level01"),
    renamed("task name", "cifar100", "cifar\n# 100"),
    results_with("tasks", {f"t{n}": {} for n in range(200)}),
    text_of("history.json", '[{"val_cifar10/level1_accuracy": "high"}]'),
    text_of("history.json", '[{"val_cifar10/level1_accuracy": -1}]'),
    text_of("history.json", '[{"val_cifar10/level1_accuracy": [1]}]'),
    text_of("history.json", "[1]"),
    deep_folders,
]


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__[:60])
def test_one_line_names_the_file(j1, spoil):
    spoil(j1 / "dvn" / "seed1")
    with pytest.raises(dvn_tf.UserError) as raised:
        write_report(j1)
    message = str(raised.value)
    assert len(message) < 600 and message.isprintable()
    assert str(j1) in message
    assert not (j1 / "report").exists()


def test_unreadable_files_and_folders(j1):
    run = j1 / "dvn" / "seed1"
    (run / "results.json").chmod(0)
    if os.access(run / "results.json", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(dvn_tf.UserError, match=r"cannot read .*results.json: Permission denied"):
        read_runs(j1)
    run.chmod(0)
    try:
        with pytest.raises(dvn_tf.UserError, match=r"cannot read the folder .*: Permission denied"):
            read_runs(j1)
    finally:
        run.chmod(0o700)


def test_circles_of_links_have_an_end(j1):
    (j1 / "dvn" / "again").symlink_to(j1)
    (j1 / "circle").symlink_to("circle")
    assert read_runs(j1)["run"].nunique() == 12


def test_folders_whose_names_cannot_be_shown(j1):
    (j1 / "dvn").rename(j1 / "dvn\n# heading")
    with pytest.raises(dvn_tf.UserError, match="reports cannot show the path"):
        read_runs(j1)


@pytest.mark.parametrize("runs", ["file", "pipe", "missing", "a\0b", "x" * 300, "x/" * 3000, ""])
def test_runs_that_are_no_folder(j1, tmp_path, monkeypatch, runs):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("file").write_text("")
    os.mkfifo("pipe")
    with pytest.raises(dvn_tf.UserError):
        write_report(runs, "out")
    with pytest.raises(dvn_tf.UserError):
        write_report(runs)
    assert sorted(os.listdir()) == ["J1", "file", "pipe"]


@pytest.mark.parametrize(
    "out", ["file", "pipe", "file/inside", "a\0b", "x" * 300, "x/" * 3000, "dangling", "\udcff"]
)
def test_report_folders_that_cannot_be(j1, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("file").write_text("")
    os.mkfifo("pipe")
    pathlib.Path("dangling").symlink_to("nowhere")
    with pytest.raises(dvn_tf.UserError):
        write_report(j1, out)
    assert sorted(os.listdir()) == ["J1", "dangling", "file", "pipe"]


def test_a_file_that_cannot_grow_leaves_the_old_report(j1, tmp_path):
    """The limit of a process stands for a full disk."""
    write_report(j1, tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        for target in (tmp_path / "out", tmp_path / "new" / "deep"):
            with pytest.raises(dvn_tf.UserError, match=r"cannot write .*File too large"):
                write_report(j1, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["J1", "out"]
