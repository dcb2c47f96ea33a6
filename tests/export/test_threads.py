"""How many threads an export takes on a machine of many cores."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from dvn_tf.errors import UserError
from dvn_tf.export.formats import FORMATS, checked_formats

# Makes every program believe that there are 64 cores, until it asks for fewer.
MANY_CORES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
static int cores = 64;
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
  memset(set, 0, size);
  for (int i = 0; i < cores; i++) CPU_SET_S(i, size, set);
  return 0;
}
int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *set) {
  cores = CPU_COUNT_S(size, set);
  return 0;
}
long sysconf(int name) {
  static long (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "sysconf");
  return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? 64 : real(name);
}
"""


@pytest.fixture
def many_cores(tmp_path) -> pathlib.Path:
    """A library to preload."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not (compiler and sys.platform == "linux"):
        pytest.skip("needs Linux and a C compiler, to pretend that there are many cores")
    source, library = tmp_path / "many_cores.c", tmp_path / "many_cores.so"
    source.write_text(MANY_CORES)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def test_all_formats_take_at_most_64_threads_on_64_cores(run_dir, many_cores, tmp_path):
    try:
        checked_formats(FORMATS)
    except UserError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "experiments.export", f"--run_dir={run_dir}", "--level=2"]
    command += [f"--export_dir={tmp_path}/export", f"--format={','.join(FORMATS)}"]
    environment = {**os.environ, "LD_PRELOAD": str(many_cores)}
    with open(tmp_path / "log", "w") as log:
        program = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        status, most = pathlib.Path(f"/proc/{program.pid}/status"), 0
        while program.poll() is None:
            text = status.read_text()
            threads = text.partition("Threads:")[2].split()
            most = max(most, int(threads[0]) if threads else 0)
            time.sleep(0.005)
    assert program.returncode == 0, (tmp_path / "log").read_text()
    assert 4 < most <= 64
