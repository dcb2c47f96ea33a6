"""LiteRT.js, the WebAssembly runtime of the page, from a folder that npm has filled."""

import os
import pathlib
import shlex
import shutil
import subprocess

from dvn_runtime.files import read_json
from dvn_tf.errors import UserError, one_line

PACKAGE = "@litertjs/core"
VERSION = "2.5.3"  # the one that was tried
# What a page without threads fetches; the browser's features decide which of the two pairs.
_FILES = (
    "core/dist/index.js",
    "core/wasm/litert_wasm_internal.js",
    "core/wasm/litert_wasm_internal.wasm",
    "core/wasm/litert_wasm_compat_internal.js",
    "core/wasm/litert_wasm_compat_internal.wasm",
    "wasm-utils/dist/index.js",
)


def default_folder() -> pathlib.Path:
    """The folder in the user's cache where the package is looked for."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "dvn_tf" / "demo"


def find(folder: str | os.PathLike, install: bool = False) -> tuple[str, dict[str, pathlib.Path]]:
    """Finds the runtime.

    Args:
        folder: where npm has installed it: the folder that holds `node_modules`.
        install: whether to let npm install it if it is not there.

    Returns:
        Its version, and {path below `@litertjs`: file}.

    Raises:
        UserError: if it is not there, or npm cannot install it; the message says what to type.
    """
    folder = pathlib.Path(folder)
    packages = folder / "node_modules" / "@litertjs"
    files = {name: packages / name for name in _FILES}
    if install and not all(file.is_file() for file in files.values()):
        _install(folder)
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        command = shlex.join(_command(folder))
        raise UserError(
            f"LiteRT.js, which runs the networks in the browser, is not in {folder}: type "
            f"`{command}`, or add --install"
        )
    about = read_json(packages / "core" / "package.json", 2**20)
    version = about.get("version") if isinstance(about, dict) else None
    if not isinstance(version, str) or version.split(".")[0] != VERSION.split(".")[0]:
        raise UserError(
            f"{packages} holds LiteRT.js {version!r:.40}, and the page needs {VERSION}: type "
            f"`{shlex.join(_command(folder))}`"
        )
    return version, files


def _command(folder: pathlib.Path) -> list[str]:
    return ["npm", "install", "--prefix", str(folder), f"{PACKAGE}@{VERSION}"]


def _install(folder: pathlib.Path) -> None:
    if not shutil.which("npm"):
        raise UserError("npm, which installs LiteRT.js, is not installed: it comes with Node.js")
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run([*_command(folder), *options], capture_output=True, text=True)
    if done.returncode:
        reason = one_line(done.stderr) or f"it ended with status {done.returncode}"
        raise UserError(f"npm could not install {PACKAGE}@{VERSION} in {folder}: {reason}")
