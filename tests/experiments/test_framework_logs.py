"""TensorFlow's start-up lines are hidden; its warnings, errors and last words are not."""

import pathlib
import re
import subprocess
import sys

import pytest

from experiments import framework_logs

CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795268586.434180 12229 port.cc:153] oneDNN custom operations are on. You may see
I0000 00:00:1795268586.435770 12229 cudart_stub.cc:31] Could not find cuda drivers on your machine
I0000 00:00:1795268586.624797 12229 cpu_feature_guard.cc:227] This TensorFlow binary is optimized
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
E0000 00:00:1795268895.568275 17527 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA \
error: Failed call to cuInit: UNKNOWN ERROR (303)
fully_quantize: 0, inference_type: 6, input_inference_type: FLOAT32
W0000 00:00:1795269280.012831 24917 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.
W0000 00:00:1795269280.503344 24556 flatbuffer_export.cc:3851] Skipping runtime version metadata
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
W0000 00:00:1795298530.561833 31346 local_rendezvous.cc:412] Local rendezvous is aborting with \
status: RESOURCE_EXHAUSTED: part-00000-of-00001.data-00000-of-00001; No space left on device
"""
REAL = """\
E0000 00:00:1795268895.568275 17527 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA \
error: Failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
W0000 00:00:1795268895.568275 17527 gpu_device.cc:2430] Cannot dlopen some GPU libraries.
F0000 00:00:1795268895.568275 17527 tensor.cc:12] Check failed: 1 == 2
W1121 13:55:17.059346 139787841850240 function_type.py:513] `0-4` is not a valid parameter name.
I1121 13:55:17.059346 139787841850240 dataset_info.py:513] asked for by --verbosity=0
Traceback (most recent call last):
ValueError: To enable the following instructions
"""


def filtered(text: bytes) -> bytes:
    return subprocess.run(
        [sys.executable, framework_logs.__file__], input=text, stdout=subprocess.PIPE, check=True
    ).stdout


def test_known_lines_are_dropped_and_others_passed_on():
    assert filtered((CHATTER + REAL + CHATTER).encode()).decode() == REAL


def test_bytes_pass_as_they_are():
    text = b"\xff\x00 no text\r\n 10%\r 20%\r\n\n" + b"x" * 200_000 + b"\nno end"
    assert filtered(text) == text


def test_a_line_without_an_end_does_not_wait():
    with subprocess.Popen(
        [sys.executable, framework_logs.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        reader.stdin.write(b"password: ")
        reader.stdin.flush()
        assert reader.stdout.read(10) == b"password: "  # while the pipe is open
        reader.stdin.close()
        assert reader.stdout.read() == b""


START = "from experiments import framework_logs; framework_logs.hide()\nimport os, sys\n"
# {case: (code, what appears on stderr)}
ENDS = {
    "return": ("os.write(2, b'last\\n')", "last\n"),
    "crash": ("os.write(2, b'Check failed\\n'); os.abort()", "Check failed\n"),
    "immediate exit": ("os.write(2, b'last\\n'); os._exit(3)", "last\n"),
    "much": ("os.write(2, 100_000 * b'line\\n'); os.abort()", 100_000 * "line\n"),
    "child": ("import subprocess; subprocess.run('echo child >&2', shell=True)", "child\n"),
    "exception": ("raise SystemExit('one line')", "one line\n"),
    "chatter": (f"os.write(2, {CHATTER.encode()!r})", ""),
}


@pytest.mark.parametrize("case", ENDS)
def test_nothing_is_lost_at_the_end(case, run_python):
    code, text = ENDS[case]
    assert run_python(START + code).stderr == text


def test_a_child_that_lives_on_keeps_no_program_waiting(run_python, tmp_path):
    code = "import subprocess, time; started = time.monotonic()\n" + START
    code += "child = subprocess.Popen(['sleep', '60'])\n"
    code += f"import atexit, pathlib; file = pathlib.Path({str(tmp_path / 'child')!r})\n"
    code += "file.write_text(str(child.pid))"
    try:
        # Not captured: the child holds the pipe.
        done = subprocess.run([sys.executable, "-c", code], timeout=30, stderr=subprocess.DEVNULL,
                              cwd=pathlib.Path(__file__).parents[2])  # fmt: skip
        assert done.returncode == 0
    finally:
        subprocess.run(["kill", (tmp_path / "child").read_text()], check=True)


def test_python_keeps_its_own_stderr(run_python):
    code = "import os; first = os.fstat(2)\n" + START
    code += "assert os.path.samestat(first, os.fstat(sys.stderr.fileno()))\n"
    code += "assert not os.path.samestat(first, os.fstat(2))"
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_a_closed_stderr_is_no_error():
    code = START + "print('done')"
    done = subprocess.run(
        f"{sys.executable} -c \"{code}\" 2>&-", shell=True, stdout=subprocess.PIPE, text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "done\n"


def test_tensorflow_s_real_warnings_appear(run_python):
    """One of its C++ code, one of its Python code; and nothing else."""
    done = run_python(START + "import tensorflow as tf\n"
                      "numbers = tf.data.Dataset.range(9).cache().take(2)\n"
                      "print(list(numbers.as_numpy_iterator()))\n"
                      "tf.get_logger().warning('a warning in Python')\n")  # fmt: skip
    assert done.returncode == 0, done.stderr
    in_cpp, in_python = sorted(done.stderr.splitlines(), key=lambda line: "in Python" in line)
    assert re.match(
        r"W0000 .*\.cc:\d+\] The calling iterator did not fully read the dataset", in_cpp
    )
    assert in_python.startswith("WARNING") and in_python.endswith("a warning in Python")
