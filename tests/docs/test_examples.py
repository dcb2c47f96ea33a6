"""What the README and the guide show is run as it stands there."""

import json
import pathlib
import re
import shlex

import numpy as np
import pytest
from docs.pages import GUIDE, ROOT, blocks, commands
from PIL import Image

DRIVER = pathlib.Path(__file__).with_name("example_driver.py")
NARROW = (
    "--gin_param=Recipe.epochs = 2",
    "--gin_param=Recipe.batch_size = 16",
    "--gin_param=WideResNet.depth = 8",
    "--gin_param=WideResNet.width = 1",
)


def shell_lines(page):
    text = "".join(block.text for block in blocks(page, "sh"))
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines()]


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(run_python, run_program, tmp_path_factory):
    """The folder in which the examples of the guide were run."""
    folder = tmp_path_factory.mktemp("examples")
    for block in blocks(GUIDE / "extend.md"):
        if block.file:
            (folder / block.file).write_text(block.text)
    first, *others = shell_lines(GUIDE / "extend.md")
    # One by the program itself, which must find the module that the gin file imports.
    result = run_program(*first[2:], "--gin_param=Recipe.epochs = 1", cwd=folder)
    assert result.returncode == 0, result.stderr
    examples = {
        "library": [block.text for block in blocks(GUIDE / "library.md", "python")],
        "commands": others,
        "deploy": blocks(GUIDE / "deploy.md", "python")[0].text,
        "compare": blocks(GUIDE / "compare.md", "python")[0].text,
    }
    (folder / "examples.json").write_text(json.dumps(examples))
    result = run_python(DRIVER.read_text(), cwd=folder)
    assert result.returncode == 0, result.stderr
    (folder / "output.txt").write_text(result.stdout)
    return folder


def test_library(done):
    output = (done / "output.txt").read_text()
    assert re.search(r"^\d+ of \d+ parameters$", output, re.MULTILINE)
    assert (done / "runs/digits/model.keras").is_file()
    assert len(read(done / "runs/digits/export/manifest.json")["files"]) == 2


def test_training_goes_on_with_the_optimizer_only_where_it_was_saved(done):
    import keras

    import dvn_tf

    steps = -(-700 // 32)
    saved = done / "network.keras"
    assert keras.models.load_model(saved).optimizer.iterations.numpy() == steps
    assert not dvn_tf.load_network(saved).compiled
    of_run = dvn_tf.load_network(done / "runs/digits/model.keras")
    assert type(of_run) is dvn_tf.DeepVirtualNetwork and not of_run.compiled
    assert list(of_run.virtual_networks)[-1] == "high/level2"


def test_the_first_library_example_is_short():
    [example, *_] = blocks(GUIDE / "library.md", "python")
    assert len([line for line in example.text.splitlines() if line.strip()]) <= 15


def test_own_backbone(done):
    results = read(done / "runs/small_vgg/dvn/seed0/results.json")
    assert results["backbone"] == "SmallVGG-2-8"
    assert len(results["outputs"]) == 4
    # 8 -> 8 -> 8 and 8 -> 16 -> 16 channels, 3 x 3; the input layer counts in neither number.
    whole = results["outputs"]["digits_0-4/level2"]["parameters_paper"]
    assert whole == 9 * (8 * 8 + 8 * 8 + 8 * 16 + 16 * 16)
    exported = read(done / "runs/small_vgg/dvn/seed0/export/manifest.json")["files"]
    assert [network["level"] for network in exported] == [1, 1]
    for network in exported:
        output = results["outputs"][f"{network['task']}/level1"]
        assert network["accuracy"] == pytest.approx(output["accuracy"], abs=0.01)


def test_own_method(done):
    results = read(done / "runs/quickstart_sequential/fine_tuning/seed0/results.json")
    assert (results["title"], results["num_networks"]) == ("Fine-tuning", 2)
    assert [stage["learned"] for stage in results["stages"]] == [["digits_0-4"], ["digits_5-9"]]


def test_own_method_starts_from_the_task_before(done, monkeypatch):
    monkeypatch.syspath_prepend(str(done))
    import fine_tuning

    from dvn_tf.training.configuration import read_experiment

    own = ["Experiment.method = @FineTuning()"]
    method = read_experiment(["gin/s1_cifar10.gin"], own, imports=["fine_tuning"]).method
    assert type(method) is fine_tuning.FineTuning
    scenario = read_experiment(["gin/s1_cifar10.gin"]).scenario
    first, second = method.stages(scenario, epochs=3)
    assert first.starts_from == () and second.starts_from == (first.name,)


def test_own_table_rule(done):
    outputs = read(done / "runs/shared_core/dvn/seed0/results.json")["outputs"]
    assert [output["units"] for output in outputs.values()] == [
        [1, 2], [1, 2, 3], [1, 3], [1, 2, 3],
    ]  # fmt: skip


def test_own_source(done):
    tasks = read(done / "runs/npz_tasks/dvn/seed0/results.json")["tasks"]
    assert sum(task["test_images"] for task in tasks.values()) == 297
    assert [task["train_images"] for task in tasks.values()] == [100, 100]


def test_own_format(done):
    results = read(done / "runs/shared_core/dvn/seed0/results.json")
    exported = read(done / "runs/shared_core/dvn/seed0/export/manifest.json")["files"]
    assert [network["format"] for network in exported] == ["npz", "npz"]
    for network in exported:
        assert network["file"].endswith(".npz")
        output = results["outputs"][f"{network['task']}/level1"]
        assert network["accuracy"] == pytest.approx(output["accuracy"], abs=0.01)


def test_prediction_program(done, run_program):
    for name in ("zero", "one"):
        Image.new("L", (8, 8), 128).save(done / f"{name}.png")
    found = [c for c in commands(GUIDE / "deploy.md") if c[0] == "dvn_runtime.predict"]
    command, signed = found  # `runtime/test_strangers.py` runs the second
    assert "--key=public.pem" in signed
    result = run_program(*command, cwd=done)
    assert result.returncode == 0, result.stderr
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        "zero.png",
        "one.png",
    ]


@pytest.fixture
def images(tmp_path):
    """Two folders of images as the guide asks for them: each class has a colour of its own."""
    generator = np.random.default_rng(0)
    for folder, classes in (("first", ("cat", "dog")), ("second", ("flat", "striped", "dotted"))):
        for index, name in enumerate(classes):
            (tmp_path / "images" / folder / name).mkdir(parents=True)
            for number in range(20):
                pixels = generator.integers(0, 60, (40, 40, 3), np.uint8)
                pixels[..., index] += 180
                image = Image.fromarray(pixels)
                image.save(tmp_path / "images" / folder / name / f"{number:03}.png")
    (tmp_path / "images/first/notes.txt").write_text("no image")
    return tmp_path


def test_own_tasks(images, run_program):
    train, export, predict, larger = commands(GUIDE / "own_data.md")
    done = run_program(*train, *NARROW, cwd=images)
    assert done.returncode == 0, done.stderr
    read_lines = [line for line in done.stdout.splitlines() if line.startswith("Read ")]
    assert read_lines == [
        "Read folder:images/first for task first: 32 training and 8 test images of 2 classes; "
        "skipped files: 1 .txt",
    ]
    assert "2 classes, 32 training and 8 held-out test images of 32 x 32 pixels" in done.stdout
    assert "3 classes, 48 training and 12 held-out test images of 32 x 32 pixels" in done.stdout
    results = read(images / "runs/own_tasks/dvn/seed0/results.json")
    assert set(results["outputs"]) == {
        "first/level1", "first/level2", "second/level1", "second/level2",
    }  # fmt: skip
    done = run_program(*export, cwd=images)
    assert done.returncode == 0, done.stderr
    tasks = read(images / "runs/own_tasks/dvn/seed0/export/manifest.json")["tasks"]
    assert tasks["first"]["class_names"] == ["cat", "dog"]
    done = run_program(*predict, cwd=images)
    assert done.returncode == 0, done.stderr
    assert re.match(r"images/first/cat/001.png: (cat|dog) [\d.]+%, (cat|dog)", done.stdout)
    assert larger[:2] == train[:2]


def test_the_gin_file_of_the_page_is_the_one_that_is_run():
    [shown, *_] = blocks(GUIDE / "own_data.md", "gin")
    file = (ROOT / "gin/own_tasks.gin").read_text(encoding="utf-8")
    assert [line for line in file.splitlines() if not line.startswith("#")] == (
        shown.text.splitlines()
    )
