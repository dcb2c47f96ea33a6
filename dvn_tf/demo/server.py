"""Serves the page on the loopback interface: an exact list of paths, to this machine alone."""

import base64
import dataclasses
import errno
import functools
import hashlib
import http.server
import importlib.resources
import json
import os
import pathlib
import re
import sys
from collections.abc import Callable
from http import HTTPStatus

from dvn_runtime.errors import RefusedFileError
from dvn_runtime.network import read_network
from dvn_tf.demo import litert_js, samples
from dvn_tf.demo.description import network_url, read_export, uses_digits
from dvn_tf.errors import UserError

HOST = "127.0.0.1"
_PAGE = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


@dataclasses.dataclass(frozen=True)
class Resource:
    """What is served under a path.

    Attributes:
        content_type: its media type.
        read: gives its bytes, or raises `RefusedFileError` for a file that is not what it
            should be.
    """

    content_type: str
    read: Callable[[], bytes]


class DemoServer(http.server.ThreadingHTTPServer):
    """Serves some resources to this machine.

    A path is looked up as it stands in the request and never joined with a folder, so that no
    spelling of it leads to another file. The host must be this machine's name for itself: a
    page of somebody else's, whose name was made to lead here, is refused.

    Args:
        resources: {path: resource}.
        port: the port; 0 takes any that is free.
        headers: further headers of every answer.

    Raises:
        UserError: if the port cannot be used.
    """

    def __init__(self, resources: dict[str, Resource], port: int, headers: dict[str, str]):
        self.resources = resources
        self.headers = headers
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            reserved = error.errno == errno.EACCES
            hint = "give one above 1023" if reserved else "give another --port, or 0 for any"
            raise UserError(f"cannot use port {port}: {error.strerror}: {hint}") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request, client_address) -> None:
        """Says nothing of a browser that went away; the thread ends with any other error."""
        error = sys.exception()
        if not isinstance(error, OSError):
            raise error


def open_server(
    export_dir: str | os.PathLike,
    port: int = 0,
    images: str | os.PathLike | None = None,
    runtime_dir: str | os.PathLike | None = None,
    install: bool = False,
) -> DemoServer:
    """Prepares the page of an export folder; `serve_forever` then serves it.

    Args:
        export_dir: the folder that holds `manifest.json` and LiteRT files.
        port: the port on the loopback interface; 0 takes any that is free.
        images: a folder of test images; None takes digits if the export was trained on them.
        runtime_dir: where npm has installed LiteRT.js; None is `litert_js.default_folder`.
        install: whether to let npm install LiteRT.js if it is not there.

    Raises:
        UserError: if the export cannot be shown, LiteRT.js is not there, the folder has no
            images, or the port cannot be used.
    """
    manifest, about = read_export(export_dir)
    version, runtime = litert_js.find(runtime_dir or litert_js.default_folder(), install)
    if images is not None:
        shown = samples.of_folder(images)
    else:
        shown = samples.of_digits() if uses_digits(manifest) else []
    resources = _static_files()
    about |= {"runtime": version, "samples": []}
    for number, sample in enumerate(shown):
        path = f"/samples/{number}"
        resources[path] = Resource(sample.content_type, functools.partial(bytes, sample.content))
        about["samples"].append({"url": path, "label": sample.label})
    for name, file in runtime.items():
        resources[f"/runtime/{name}"] = Resource(_TYPES[file.suffix], file.read_bytes)
    for network in manifest.networks:
        task = manifest.tasks[network.task]
        resources[network_url(manifest, network)] = Resource(
            "application/octet-stream",
            functools.partial(read_network, manifest.folder, network, task),
        )
    told = json.dumps(about).encode()
    resources["/export.json"] = Resource("application/json", functools.partial(bytes, told))
    return DemoServer(resources, port, _headers(resources["/"].read()))


def _static_files() -> dict[str, Resource]:
    resources = {}
    for file in importlib.resources.files("dvn_tf.demo").joinpath("static").iterdir():
        content_type = _TYPES[pathlib.PurePath(file.name).suffix]
        resources[f"/{file.name}"] = Resource(content_type, file.read_bytes)
    resources["/"] = resources.pop(f"/{_PAGE}")
    return resources


def _headers(page: bytes) -> dict[str, str]:
    """Headers that keep everything but this server out of the page, and others from using it."""
    # An import map must stand in the page itself, so its hash is allowed.
    [inline] = re.findall(rb'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(inline).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'wasm-unsafe-eval' 'sha256-{allowed}'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        # Apart from other pages, which also makes the browser's clock fine enough for latencies.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "dvn_tf", ""
    timeout = 30  # seconds that a connection may be silent

    def do_GET(self) -> None:
        self._answer(*self._found())

    def do_HEAD(self) -> None:
        self._answer(*self._found())

    def _found(self) -> tuple[HTTPStatus, str, bytes]:
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            return _text(HTTPStatus.FORBIDDEN, f"Open {self.server.url} instead.")
        resource = self.server.resources.get(self.path.partition("?")[0])
        if resource is None:
            return _text(HTTPStatus.NOT_FOUND, "There is nothing here.")
        try:
            return HTTPStatus.OK, resource.content_type, resource.read()
        except RefusedFileError as error:
            return _text(HTTPStatus.CONFLICT, str(error))
        except OSError as error:
            return _text(HTTPStatus.NOT_FOUND, f"The file cannot be read: {error.strerror}.")

    def _answer(self, status: HTTPStatus, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        """Adds the headers of every answer, those of refused requests included."""
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_) -> None:
        """Says nothing: the terminal is the user's."""


def _text(status: HTTPStatus, text: str) -> tuple[HTTPStatus, str, bytes]:
    return status, "text/plain; charset=utf-8", text.encode()
