"""What programs answer before they import TensorFlow: help, and errors in flags and gin files."""

import pathlib
import re

import pytest
from run_checks import one_line_error

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = sorted(
    path.stem
    for path in (ROOT / "experiments").glob("*.py")
    if '__name__ == "__main__"' in path.read_text() and path.stem != "framework_logs"
)
QUICK = "--gin_file=gin/quickstart.gin"
TRAINING = ("joint", "sequential", "benchmark")

# Whoever imports one of these ends with a traceback, which is no one-line error.
FORBIDDEN = """
import runpy, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras", "dvn_tf"):
            raise BaseException(f"{name} is imported")

sys.meta_path.insert(0, Forbidden())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def run_quick(run_python, tmp_path):
    """A function that runs a program which must not import TensorFlow."""

    def run(program, *flags):
        return run_python(FORBIDDEN, tmp_path, [f"experiments.{program}", *flags])

    return run


def test_all_programs_are_here():
    assert len(PROGRAMS) == 13


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_explains_every_flag(program, run_quick):
    done = run_quick(program, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    flags = {"framework_logs"} if program != "predict" else set()
    files = [ROOT / "experiments" / f"{program}.py"]
    if program in ("joint", "sequential"):
        files.append(ROOT / "experiments" / "training_program.py")
    if program == "predict":  # an alias
        files = [ROOT / "dvn_runtime" / "predict.py"]
    for file in files:
        source = file.read_text()
        flags |= set(
            re.findall(r"(?:flags\.DEFINE_\w+|define_(?:folder|file))\(\s*\"(\w+)\"", source)
        )
        flags |= set(re.findall(r"add_argument\(\"--(\w+)\"", source))
        if "define_gin_flags()" in source:
            flags |= {"gin_file", "gin_param"}
    assert len(flags) > 1
    for flag in flags - {"old_run"}:  # an alias
        assert re.search(rf"--(\[no\])?{flag}(: | \w+\s+)[A-Z<]", done.stdout), flag


@pytest.mark.parametrize("program", sorted({*PROGRAMS} - {"predict"}))
def test_wrong_flags(program, run_quick):
    assert "Unknown command line flag 'colour'" in one_line_error(run_quick(program, "--colour=1"))
    done = run_quick(program, "--framework_logs=maybe")
    assert "--framework_logs=maybe" in one_line_error(done)


# {case: (program, flags, what the error says)}
CASES = {
    "no number": ("joint", [QUICK, "--seed=one"], "--seed=one"),
    "too few": ("benchmark", [QUICK, "--rounds=0"], "--rounds=0"),
    "close flag": ("joint", [QUICK, "--sedes=1"], "Did you mean: seeds"),
    "stray argument": ("joint", [QUICK, "extra"], "unexpected argument 'extra'"),
    "seed listed twice": ("sequential", [QUICK, "--seeds=0,1,0"], "--seeds lists seed 0 twice"),
    "same seed in two forms": ("joint", [QUICK, "--seeds=1,01"], "--seeds lists seed 1 twice"),
    "a letter for a seed": ("sequential", [QUICK, "--seeds=a"], "not 'a'"),
    "folder of a series": (
        "sequential",
        [QUICK, "--seeds=0,1", "--run_dir=run"],
        "--seeds and --run_dir exclude each other",
    ),
    "seed and seeds": ("joint", [QUICK, "--seeds=0", "--seed=1"], "--seeds and --seed exclude"),
    "export without a run": ("export", [], "--run_dir must be given"),
    "compare without runs": ("compare", [], "--runs must be given"),
    "budgets without a folder": ("budget_plot", [], "--export_dir and --budgets must be given"),
    "affinity without a run": ("affinity", [], "--run_dir must be given"),
    "affinity of too few images": ("affinity", ["--run_dir=.", "--images=1"], "--images=1"),
    "latency of nothing": ("latency", [], "nothing to time: give --run_dir, or --gin_file"),
    "latency without gin files": ("latency", ["--untrained"], "no gin file: pass one"),
} | {
    f"{name} in {program}": (program, flags, message)
    for program in (*TRAINING, "latency")
    for name, flags, message in (
        ("no gin file", [], "no gin file: pass one"),
        ("missing gin file", ["--gin_file=gin/quickstrat.gin"], "did you mean gin/quickstart.gin?"),
        ("unknown setting", [QUICK, "--gin_param=Recipe.epoch = 3"], "did you mean Recipe.epochs?"),
        ("unknown class", [QUICK, "--gin_param=Recipes.x = 1"], "no setting Recipes.x: did you"),
        ("malformed", [QUICK, "--gin_param=Recipe.epochs 3"], "expected ':' or '='"),
    )
}


@pytest.mark.parametrize("case", CASES)
def test_error_without_tensorflow(case, run_quick, tmp_path):
    program, flags, message = CASES[case]
    if program == "latency" and case.endswith("latency"):
        flags = ["--untrained", *flags]
    assert message in one_line_error(run_quick(program, *flags))
    assert not any(tmp_path.iterdir())


def test_predict_explains_its_errors(run_quick):
    message = "the following arguments are required: --export_dir, --task, IMAGE"
    assert message in one_line_error(run_quick("predict"))
    done = run_quick("predict", "--export_dir=nowhere", "--task=digits", "three.png")
    assert "nowhere" in one_line_error(done)
