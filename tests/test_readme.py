"""What the README shows is run as it stands there."""

import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_library_example(run_python, tmp_path):
    [example] = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    done = run_python(example, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d+ of \d+ parameters$", done.stdout, re.MULTILINE)


def test_every_program_named_exists():
    for name in set(re.findall(r"python -m experiments\.(\w+)", README)):
        assert (ROOT / "experiments" / f"{name}.py").exists()


def test_every_link_and_gin_file_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    for path in {*links, *re.findall(r"\bgin/[\w/]+\.gin", README)}:
        assert (ROOT / path).exists(), path


def test_own_tasks_shows_the_file():
    settings = [line for line in (ROOT / "gin/own_tasks.gin").read_text().splitlines()
                if line and not line.startswith("#")]  # fmt: skip
    [shown] = blocks("gin")
    assert [line for line in shown.splitlines() if line] == settings


@pytest.fixture
def images(tmp_path):
    """Two folders of images as the README asks for them: colours one class, stripes another."""
    generator = np.random.default_rng(0)
    for folder, classes in (("first", ("red", "blue")), ("second", ("flat", "striped", "dotted"))):
        for index, name in enumerate(classes):
            (tmp_path / "images" / folder / name).mkdir(parents=True)
            for number in range(20):
                pixels = generator.integers(0, 60, (40, 40, 3), np.uint8)
                pixels[..., index] += 180
                image = Image.fromarray(pixels)
                image.save(tmp_path / "images" / folder / name / f"{number}.png")
    return tmp_path


def test_own_tasks_worked_example(images, run_program):
    [command] = [c for c in blocks("sh") if "own_tasks" in c]
    _, _, module, *args = command.split()
    narrowed = [
        "--gin_param=Recipe.epochs = 2",
        "--gin_param=Recipe.batch_size = 16",
        "--gin_param=WideResNet.depth = 8",
        "--gin_param=WideResNet.width = 1",
    ]
    done = run_program(module, *args, *narrowed, cwd=images)
    assert done.returncode == 0, done.stderr
    results = json.loads((images / "runs/own_tasks/dvn/seed0/results.json").read_text())
    assert set(results["outputs"]) == {
        "first/level1", "first/level2", "second/level1", "second/level2",
    }  # fmt: skip
