"""Runs the pages' examples in one process, in the current folder; see `test_examples`.

examples.json names the examples: {"library": [code, ...], "commands": [[word, ...], ...],
"deploy": code, "compare": code}.
"""

import json
import pathlib
import runpy

import tensorflow as tf

import gin
from dvn_tf.export import export_run
from dvn_tf.training.configuration import read_experiment
from dvn_tf.training.runs import default_folder, run

NARROW = ("Recipe.epochs = 1", "Recipe.batch_size = 50", "Task.train_examples = 20")
EXAMPLES = json.loads(pathlib.Path("examples.json").read_text())


def values(arguments, flag):
    """The values of a flag that may be given several times."""
    return [word.partition("=")[2] for word in arguments if word.startswith(f"--{flag}=")]


def train(arguments):
    """What `python -m experiments.joint` and its sister do with these flags."""
    files, imports = values(arguments, "gin_file"), values(arguments, "gin_import")
    assert len(files) + len(imports) == len(arguments), arguments
    experiment = read_experiment(files, NARROW, imports)
    # Two steps of training are not worth tracing.
    tf.config.run_functions_eagerly(True)
    run(experiment, default_folder(experiment))
    tf.config.run_functions_eagerly(False)


namespace = {"__name__": "library"}
for block in EXAMPLES["library"]:
    exec(compile(block, "library.md", "exec"), namespace)

for command in EXAMPLES["commands"]:
    if command[:3] == ["python", "-m", "experiments.export"]:
        [run_dir], [name] = values(command, "run_dir"), values(command, "format")
        export_run(run_dir, formats=[name], level=1, imports=values(command, "gin_import"))
    elif command[:2] == ["python", "-m"]:
        train(command[3:])
    else:
        [program] = command[1:]
        with gin.unlock_config():  # as it is in a process of its own
            runpy.run_path(program, run_name="__main__")

train(["--gin_file=gin/quickstart.gin"])
export_run("runs/quickstart/dvn/seed0", formats=["litert"], level=1)
exec(compile(EXAMPLES["deploy"], "deploy.md", "exec"), {"__name__": "deploy"})
exec(compile(EXAMPLES["compare"], "compare.md", "exec"), {"__name__": "compare"})
