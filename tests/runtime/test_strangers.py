"""What the guide's section "Exports from strangers" shows is run as it stands there."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest
from docs.pages import GUIDE, ROOT, blocks
from PIL import Image
from sklearn.datasets import load_digits

from dvn_tf.export.signature import read_private_key

OLD_EXPORT = pathlib.Path(__file__).parent / "export_0.1.0"
PAGE = GUIDE / "deploy.md"
EXAMPLE = blocks(PAGE, "python")[-1].text


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Image.fromarray((load_digits().images[0] * 255 / 16).astype("uint8")).save("zero.png")
    return tmp_path


def run_example(capsys) -> str:
    exec(compile(EXAMPLE, "deploy.md", "exec"), {"__name__": "deploy"})
    return capsys.readouterr().out


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_unsigned_export_runs_in_a_process_of_its_own(here, capsys, monkeypatch):
    shutil.copytree(OLD_EXPORT, here / "downloads" / "export")
    assert run_example(capsys).startswith("zero.png: 0 ")
    (here / "zero.png").write_bytes(b"")
    assert "error: cannot read the image zero.png" in run_example(capsys)
    monkeypatch.setattr(sys, "executable", script(here / "crash", "kill -SEGV $$"))
    assert run_example(capsys) == "the export crashed: SIGSEGV\n"


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_keys_are_made_and_a_signed_export_is_checked(here):
    lines = "".join(block.text for block in blocks(PAGE, "sh")).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines]
    for command in commands:
        if command[0] == "openssl":
            subprocess.run(command, check=True, capture_output=True)
    assert oct(os.stat("private.pem").st_mode)[-3:] == "600"
    shutil.copytree(OLD_EXPORT, here / "signed")
    [predict] = [command for command in commands if "--key=public.pem" in command]
    predict[0] = sys.executable
    refused = subprocess.run(predict, capture_output=True, text=True)
    assert refused.returncode == 1 and "signed is not signed: " in refused.stderr
    manifest = (here / "signed" / "manifest.json").read_bytes()
    (here / "signed" / "manifest.sig").write_bytes(read_private_key("private.pem").sign(manifest))
    done = subprocess.run(predict, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("zero.png: 0 "), done.stderr
