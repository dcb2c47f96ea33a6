"""What the demo's server gives, to whom, and that it gives nothing else."""

import contextlib
import http.client
import io
import json
import os
import shutil
import socket
import threading

import numpy as np
import pytest
from demo.conftest import STATIC
from PIL import Image
from small_exports import Export, sha256, write_export

from dvn_tf.demo import litert_js, samples, server
from dvn_tf.errors import UserError


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Export:
    folder = tmp_path_factory.mktemp("pristine") / "export"
    tasks = {"digits": ((8, 8, 1), 3, (4, 8), (0.5, 0.7), "probabilities")}
    return write_export(folder, tasks, int8=True)


@pytest.fixture
def export(pristine, tmp_path) -> Export:
    shutil.copytree(pristine.folder, tmp_path / "export")
    return Export(tmp_path / "export", pristine.images, pristine.answers)


@pytest.fixture
def runtime(tmp_path):
    """A folder like the one that npm fills."""
    folder = tmp_path / "runtime"
    packages = folder / "node_modules" / "@litertjs"
    for name in litert_js._FILES:
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(name)
    (packages / "core/package.json").write_text(json.dumps({"version": litert_js.VERSION}))
    return folder


@pytest.fixture
def opened(export, runtime):
    """A running server of the export, and nothing else."""
    with running(export, runtime) as started:
        yield started


@contextlib.contextmanager
def running(export, runtime, **options):
    with server.open_server(export.folder, runtime_dir=runtime, **options) as started:
        thread = threading.Thread(target=started.serve_forever)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def ask(opened, path, host=None, method="GET"):
    """The status, the headers and the body of an answer; the path is sent as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", opened.server_port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{opened.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def network_path(export, level, format="litert"):
    files = [entry["file"] for entry in export.manifest()["files"]]
    return f"/networks/{files.index(export.entry('digits', level, format)['file'])}.tflite"


def test_everything_that_the_page_needs(export, runtime, opened):
    told = json.loads(ask(opened, "/export.json")[2])
    assert [task["name"] for task in told["tasks"]] == ["digits"]
    assert told["tasks"][0]["classes"] == ["digits 0", "digits 1", "digits 2"]
    assert [each["name"] for each in told["formats"]] == ["litert", "litert_int8"]
    for format, networks in told["networks"].items():
        for network in networks:
            entry = export.entry("digits", network["level"], format)
            assert {key: network[key] for key in ("bytes", "accuracy", "sha256")} == {
                key: entry[key] for key in ("bytes", "accuracy", "sha256")
            }
            status, _, body = ask(opened, network_path(export, network["level"], format))
            assert (status, sha256(body)) == (200, entry["sha256"])
    for file in STATIC.iterdir():
        path = "/" if file.name == "index.html" else f"/{file.name}"
        assert ask(opened, path)[::2] == (200, file.read_bytes())
    for name in litert_js._FILES:
        assert ask(opened, f"/runtime/{name}")[::2] == (200, name.encode())


def test_types(export, opened):
    expected = {
        "/": "text/html; charset=utf-8",
        "/app.js": "text/javascript; charset=utf-8",
        "/style.css": "text/css; charset=utf-8",
        "/icon.svg": "image/svg+xml",
        "/export.json": "application/json",
        "/runtime/core/wasm/litert_wasm_internal.wasm": "application/wasm",
        network_path(export, 1): "application/octet-stream",
    }
    found = {path: ask(opened, path)[1]["Content-Type"] for path in expected}
    assert found == expected


@pytest.mark.parametrize("path", [
    "/..", "/../manifest.json", "/static/../server.py", "/%2e%2e/manifest.json", "//etc/passwd",
    "/..%2f..%2fetc/passwd", "/networks/", "/networks/../manifest.json", "/manifest.json",
    "/index.html", "/litert/digits_level1.tflite", "/runtime/../../secret", "/etc/passwd", "*",
    "/runtime/core/package.json", "/app.js/", "/./app.js", "/%61pp.js", "/networks/9.tflite",
    "http://127.0.0.1/app.js", "/app.js\\..", "/samples/0",
])  # fmt: skip
def test_nothing_else(opened, path):
    assert ask(opened, path)[0] == 404


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "localhost", "evil.localhost:{port}",
                                  "127.0.0.1:1", "127.0.0.1:{port}.example.org", ""])  # fmt: skip
def test_other_hosts_are_refused(opened, host):
    host = host.format(port=opened.server_port) or " "
    for path in ("/", "/export.json", "/nothing"):
        assert ask(opened, path, host)[0] == 403


def test_localhost_is_a_host(opened):
    assert ask(opened, "/", f"localhost:{opened.server_port}")[0] == 200


def test_two_hosts_are_refused(opened):
    with socket.create_connection(("127.0.0.1", opened.server_port), timeout=30) as connection:
        own = f"Host: 127.0.0.1:{opened.server_port}\r\n"
        connection.sendall(f"GET / HTTP/1.0\r\n{own}{own}\r\n".encode())
        assert connection.recv(100).split()[1] == b"403"


def test_it_listens_to_this_machine_alone(opened):
    assert opened.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_only_reading(opened, method):
    assert ask(opened, "/", method=method)[0] == 501


def test_head_has_no_body(opened):
    status, headers, body = ask(opened, "/", method="HEAD")
    assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize("path, host", [("/", None), ("/nothing", None), ("/", "example.org")])
def test_headers_of_every_answer(opened, path, host):
    headers = ask(opened, path, host)[1]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-")
    assert "unsafe-inline" not in policy and "http" not in policy and "*" not in policy
    expected = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
    assert expected.items() <= headers.items()
    assert not any(name.lower().startswith("access-control") for name in headers)


def damage_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def grow(path):
    path.write_bytes(path.read_bytes() + b"more")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def link_elsewhere(path):
    secret = path.parents[2] / "secret"
    path.rename(secret)
    path.symlink_to(secret)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    damage_a_byte: "SHA-256",
    grow: "bytes, but the manifest says",
    cut: "bytes, but the manifest says",
    link_elsewhere: "out of the export folder",
    pipe: "the file is missing",
    lambda path: path.unlink(): "the file is missing",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_not_served(export, opened, damage):
    damage(export.path("digits", 2))
    status, _, body = ask(opened, network_path(export, 2))
    assert status == 409
    assert body.decode().startswith("litert/digits_level2.tflite: ")
    assert DAMAGE[damage] in body.decode()
    assert ask(opened, network_path(export, 1))[0] == 200


def test_exchanged_files_are_not_served(export, runtime):
    # The manifest vouches for its bytes, but they say that they are of another level.
    manifest = export.manifest()
    first, second = (export.entry("digits", level) for level in (1, 2))
    for entry in manifest["files"]:
        if entry["file"] == second["file"]:
            entry |= {key: first[key] for key in ("bytes", "sha256", "network_sha256")}
    shutil.copy(export.path("digits", 1), export.path("digits", 2))
    export.write_manifest(manifest)
    with running(export, runtime) as opened:
        status, _, body = ask(opened, network_path(export, 2))
        assert (status, b"'level' is 1" in body) == (409, True), body
        assert ask(opened, network_path(export, 1))[0] == 200


def test_a_link_in_the_export_leads_nowhere_else(export, runtime):
    link_elsewhere(export.path("digits", 1))
    with pytest.raises(UserError, match="links lead elsewhere"):
        server.open_server(export.folder, runtime_dir=runtime)


def test_no_networks_for_the_page(export, runtime):
    manifest = export.manifest()
    manifest["files"] = []
    export.write_manifest(manifest)
    with pytest.raises(UserError, match="--format=litert"):
        server.open_server(export.folder, runtime_dir=runtime)


def test_unknown_accuracy(export, runtime):
    manifest = export.manifest()
    manifest["files"][0] |= {"accuracy": None, "test_examples": 0}
    export.write_manifest(manifest)
    with pytest.raises(UserError, match="was not measured"):
        server.open_server(export.folder, runtime_dir=runtime)


def test_hostile_headings_are_text(export, runtime):
    manifest = export.manifest() | {"scenario": ["<b>"], "backbone": {}, "training": [1]}
    manifest["tasks"]["digits"]["class_names"] = ["<script>", "a", "b"]
    export.write_manifest(manifest)
    with running(export, runtime) as opened:
        told = json.loads(ask(opened, "/export.json")[2])
        assert (told["title"], told["about"]) == ("export", "dvn")


def test_without_the_runtime(export, tmp_path):
    with pytest.raises(UserError) as caught:
        server.open_server(export.folder, runtime_dir=tmp_path / "a b")
    assert f"npm install --prefix '{tmp_path}/a b' @litertjs/core@2.5.3" in str(caught.value)
    assert not (tmp_path / "a b").exists()


def test_another_runtime(export, runtime):
    about = runtime / "node_modules/@litertjs/core/package.json"
    about.write_text('{"version": "1.0.0"}')
    with pytest.raises(UserError, match="page needs 2"):
        server.open_server(export.folder, runtime_dir=runtime)


def test_npm_is_asked_only_if_the_user_says_so(export, runtime, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    with running(export, runtime, install=True) as opened:  # it is there already
        assert ask(opened, "/")[0] == 200
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UserError, match=r"npm, which .* is not installed"):
        server.open_server(export.folder, runtime_dir=runtime / "empty", install=True)


def test_a_port_in_use(export, runtime, opened):
    with pytest.raises(UserError, match=f"cannot use port {opened.server_port}: .*another --port"):
        server.open_server(export.folder, runtime_dir=runtime, port=opened.server_port)


def test_images_of_a_folder(export, runtime, tmp_path):
    images = tmp_path / "images"
    for name in ("cat/1.png", "cat/2.png", "dog/1.PNG", "plain.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4)).save(images / name, "PNG")
    (images / "dog" / "notes.txt").write_text("no image")
    (images / "page.svg").write_text("<svg/>")
    with running(export, runtime, images=images) as opened:
        told = json.loads(ask(opened, "/export.json")[2])["samples"]
        assert [sample["label"] for sample in told] == [None, "cat", "dog", "cat"]
        status, headers, body = ask(opened, told[2]["url"])
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert body == (images / "dog/1.PNG").read_bytes()
    with pytest.raises(UserError, match="no image file"):
        samples.of_folder(STATIC)


def test_digits_for_runs_on_digits(export, runtime):
    training = {"tasks": {"digits": {"dataset": "digits"}}}
    export.write_manifest(export.manifest() | {"training": training})
    with running(export, runtime) as opened:
        told = json.loads(ask(opened, "/export.json")[2])["samples"]
        assert [sample["label"] for sample in told] == 2 * [str(digit) for digit in range(10)]
        bodies = [ask(opened, sample["url"])[2] for sample in told]
    assert len(set(bodies)) == 20
    images = samples.of_digits()
    assert [sample.content for sample in images] == bodies
    assert np.asarray(Image.open(io.BytesIO(bodies[0]))).shape == (8, 8)
