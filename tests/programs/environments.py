"""Environments of their own for other people's programs: Python, Node, and a browser."""

import contextlib
import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import filelock
import pytest

# What pip and npm say where a registry cannot be reached or has no such package for this machine.
_UNREACHABLE = (
    "No matching distribution", "Connection", "resolve", "timed out", "ENOTFOUND", "ETIMEDOUT",
    "ECONNREFUSED", "E404", "EAI_AGAIN",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def make_environment(folder: pathlib.Path, requirements: tuple, python: str | None = None):
    """The Python of a virtual environment with some packages; made once, and kept in the folder.

    Args:
        folder: holds the environments.
        requirements: what pip installs.
        python: version of Python such as "3.10"; None is this one's.
    """
    program = f"python{python}" if python else "python3"
    # Not an activated environment's, which would hide other versions.
    if not shutil.which(program) or _run([program, "--version"]).returncode:
        pytest.skip(f"there is no {program}")
    name = hashlib.sha256(repr((requirements, python)).encode()).hexdigest()[:16]
    environment = folder / name

    def install():
        made = _run([program, "-m", "venv", environment])
        assert made.returncode == 0, made.stderr
        command = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
        command += ["--disable-pip-version-check", *requirements]
        return _run(command) if requirements else made

    _once(environment, install, f"pip cannot install {', '.join(requirements)}")
    return environment / "bin" / "python"


def make_target_folder(folder: pathlib.Path, requirements: tuple) -> pathlib.Path:
    """A folder with some packages but not what they require, to stand in front of PYTHONPATH.

    Args:
        folder: holds such folders.
        requirements: what pip installs.
    """
    name = hashlib.sha256(repr(requirements).encode()).hexdigest()[:16]
    target = folder / f"beside-{name}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--target", target, *requirements]
    _once(target, lambda: _run(command), f"pip cannot install {', '.join(requirements)}")
    return target


def make_node_folder(folder: pathlib.Path, packages: tuple) -> pathlib.Path:
    """A folder with `node_modules` of some packages; made once, and kept in the folder.

    Args:
        folder: holds such folders.
        packages: npm packages, such as "onnxruntime-web@1.30.0".
    """
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    name = hashlib.sha256(repr(packages).encode()).hexdigest()[:16]
    modules = folder / f"npm-{name}"

    def install():
        modules.mkdir(parents=True, exist_ok=True)
        # Without scripts, which fetch what the registry does not have.
        options = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"]
        return _run(["npm", "install", "--prefix", modules, *options, *packages])

    _once(modules, install, f"npm cannot install {', '.join(packages)}")
    return modules


@functools.cache
def browser_path() -> str:
    """The system's Chromium."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is installed")
    return found[0]


@contextlib.contextmanager
def open_browser() -> Iterator:
    """A headless Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = browser_path()
    with playwright.sync_playwright() as driver:
        # Without its sandbox, which root may not use.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[str]:
    """The address of a server of a folder, on the loopback interface."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def log_message(self, *_):
            """Says nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _once(target: pathlib.Path, install, complaint: str) -> None:
    """Installs into a folder unless that is done; another process may want the same now."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = target.with_name(f"{target.name}.done")
    with filelock.FileLock(f"{target}.lock"):
        if done.exists():
            return
        shutil.rmtree(target, ignore_errors=True)
        installed = install()
        if installed.returncode == 0:
            done.touch()
            return
    last = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
    if any(word in installed.stderr for word in _UNREACHABLE):
        pytest.skip(f"{complaint}: {last}")
    pytest.fail(f"{complaint}: {installed.stderr}")


def _run(command: list) -> subprocess.CompletedProcess:
    # Without PYTHONPATH: the environments must stand on their own.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=1200
    )
