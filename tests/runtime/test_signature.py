"""Exports that somebody has signed, and others."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from dvn_runtime import BudgetedPredictor, predict
from dvn_runtime.errors import UserError
from dvn_runtime.signature import import_cryptography

PEM, PUBLIC = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
PRIVATE = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def public(key, tmp_path):
    path = tmp_path / "public.pem"
    path.write_bytes(key.public_key().public_bytes(PEM, PUBLIC))
    return path


@pytest.fixture
def signed(export, key):
    content = (export.folder / "manifest.json").read_bytes()
    (export.folder / "manifest.sig").write_bytes(key.sign(content))
    return export


def test_a_signed_export_is_served(signed, key, public):
    ways = [
        public,
        str(public),
        public.read_bytes(),
        key.public_key().public_bytes_raw(),
    ]
    for way in ways:
        with BudgetedPredictor(signed.folder, key=way) as predictor:
            answers = predictor.predict("colours", signed.images["colours"])
        np.testing.assert_allclose(answers, signed.answers["colours", 3], atol=1e-5)


def unsigned(folder, key):
    (folder / "manifest.sig").unlink()


def by_another(folder, key):
    another = Ed25519PrivateKey.generate()
    (folder / "manifest.sig").write_bytes(another.sign((folder / "manifest.json").read_bytes()))


def changed(folder, key):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("colours 0", "colours 9"))


def a_space_more(folder, key):
    path = folder / "manifest.json"
    path.write_text(path.read_text() + " ")


def cut(folder, key):
    path = folder / "manifest.sig"
    path.write_bytes(path.read_bytes()[:-1])


def longer(folder, key):
    path = folder / "manifest.sig"
    path.write_bytes(path.read_bytes() + b"\n")


def empty(folder, key):
    (folder / "manifest.sig").write_bytes(b"")


def a_folder(folder, key):
    (folder / "manifest.sig").unlink()
    (folder / "manifest.sig").mkdir()


def of_an_older_version(folder, key):
    """A manifest made to look older, whose files need no hashes in their descriptions."""
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"network_sha256"', '"other"'))


REFUSED = [unsigned, by_another, changed, a_space_more, cut, longer, empty, a_folder]
REFUSED += [of_an_older_version]


@pytest.mark.parametrize("damage", REFUSED)
def test_what_is_not_signed_is_refused_before_a_file_is_opened(
    signed, key, public, damage, monkeypatch, capsys
):
    damage(signed.folder, key)
    monkeypatch.setattr("dvn_runtime.predictor.open_network", None)
    with pytest.raises(UserError, match=r"sign|regular"):
        BudgetedPredictor(signed.folder, key=public)
    arguments = [f"--export_dir={signed.folder}", "--task=colours", f"--key={public}", "x.png"]
    assert predict.run(arguments) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1


def test_keys_that_cannot_be_used(signed, key, tmp_path):
    rsa = generate_private_key(65537, 2048)
    contents = {
        "is a private key": key.private_bytes(PEM, PRIVATE, OPEN),
        "is not an Ed25519 public key": rsa.public_key().public_bytes(PEM, PUBLIC),
        "not an Ed25519": b"",
        "an Ed25519": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    }
    for message, content in contents.items():
        (tmp_path / "key").write_bytes(content)
        for given in (tmp_path / "key", content):
            with pytest.raises(UserError, match=message):
                BudgetedPredictor(signed.folder, key=given)
    for given in (tmp_path / "absent", tmp_path, 7, "a" * 5000, "\0"):
        with pytest.raises(UserError):
            BudgetedPredictor(signed.folder, key=given)


def test_without_the_package_it_says_what_to_install(signed, public, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with BudgetedPredictor(signed.folder):  # nothing of it is needed without a key
        pass
    with pytest.raises(UserError, match="pip install cryptography"):
        BudgetedPredictor(signed.folder, key=public)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_makes_keys_and_checks_signatures(export, tmp_path):
    def openssl(*arguments):
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    manifest, signature = export.folder / "manifest.json", export.folder / "manifest.sig"
    openssl("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", manifest, "-out", signature)
    with BudgetedPredictor(export.folder, key=public):
        pass
    from dvn_tf.export.signature import read_private_key

    signature.write_bytes(read_private_key(private).sign(manifest.read_bytes()))
    check = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", manifest]
    openssl(*check, "-sigfile", signature)


def test_ctrl_c_while_cryptography_is_imported_is_no_missing_package(tmp_path, monkeypatch):
    (tmp_path / "cryptography").mkdir()
    module = "raise ImportError('initialization failed') from KeyboardInterrupt()"
    (tmp_path / "cryptography" / "__init__.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(KeyboardInterrupt):
        import_cryptography()
