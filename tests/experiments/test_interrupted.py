"""What Ctrl-C says about a training run is true at each moment of it."""

import pytest

CODE = """
import pathlib, sys
from experiments import training_program
if sys.argv[1]:
    training_program._begun.append(pathlib.Path(sys.argv[1]))
print(training_program.interrupted())
"""


# {what lies in the run's folder: what is said}
MOMENTS = {
    (): "nothing of the run in run was written; the same command begins it",
    ("config.gin",): "no complete epoch yet; the same command begins it anew",
    ("config.gin", "checkpoints/.partial-1"): "no complete epoch yet",
    ("config.gin", "checkpoints/epoch-0001.checkpoint.damaged"): "no complete epoch yet",
    ("config.gin", "checkpoints/epoch-0001.weights.h5"): "the same command continues the run",
    ("config.gin", "checkpoints/epoch-0001.checkpoint"): "the same command continues the run",
    ("config.gin", "task1/checkpoints/epoch-0001.checkpoint"): "after its last complete epoch",
    ("config.gin", "task1/stage.json"): "the same command continues the run in run",
    ("config.gin", "checkpoints/epoch-0001-step-000002.damaged"): "no complete epoch yet",
    ("config.gin", "checkpoints/epoch-0001-step-000002.checkpoint"): "after the step of its",
    ("config.gin", "task1/checkpoints/epoch-0002-step-000002.checkpoint"): "after the step of",
    ("config.gin", "results.json"): "the run in run is finished",
}


@pytest.mark.parametrize("files", MOMENTS, ids=lambda files: files[-1] if files else "nothing")
def test_the_sentence_of_a_moment(files, tmp_path, run_python):
    for name in files:
        file = tmp_path / "run" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    done = run_python(CODE, tmp_path, ["run"])
    assert MOMENTS[files] in done.stdout, done.stderr


def test_before_any_run(tmp_path, run_python):
    done = run_python(CODE, tmp_path, [""])
    assert done.stdout == "no run has begun, and nothing was written\n"
