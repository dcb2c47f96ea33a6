"""Runs a program as `python -m` does, in a process forked where TensorFlow is imported already."""

import atexit
import os
import runpy
import sys

from experiments import framework_logs


def run(module: str, arguments: list[str], folder: str, stdout: str, stderr: str) -> None:
    """Runs a program in a folder, with its output in two files."""
    os.chdir(folder)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    if "--framework_logs" not in arguments:
        framework_logs.hide()  # a fork may log before the program hides it itself
        framework_logs.hide = lambda: None  # a second time, errors would pass a pipe and be late
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # Processes of multiprocessing leave this out, and the last log lines would come too late.
        atexit._run_exitfuncs()
