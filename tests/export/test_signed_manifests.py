"""`--sign`: what it signs, and what it refuses to sign."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import dvn_tf
from dvn_runtime.signature import check_signature
from dvn_tf.export.manifest import ManifestWriter
from dvn_tf.export.signature import read_private_key

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@pytest.fixture(scope="module")
def key():
    return Ed25519PrivateKey.generate()


def pem(key, password=None) -> bytes:
    lock = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    return key.private_bytes(PEM, PKCS8, lock)


def is_signed(folder, key) -> bool:
    content = (folder / "manifest.json").read_bytes()
    try:
        check_signature(content, folder, key.public_key().public_bytes_raw())
    except dvn_tf.UserError:
        return False
    return True


def test_every_manifest_that_is_written_is_signed(key, tmp_path):
    manifest = ManifestWriter(tmp_path, {"seed": 0}, key)
    for name in "ab":
        manifest.add({"file": name})
        assert is_signed(tmp_path, key)
    ManifestWriter(tmp_path, {"seed": 0}, key).add({"file": "c"})
    assert is_signed(tmp_path, key)
    assert [entry["file"] for entry in manifest.content()["files"]] == ["a", "b"]


def test_a_later_export_without_a_key_leaves_no_stale_signature(key, tmp_path, capsys):
    ManifestWriter(tmp_path, {"seed": 0}, key).add({"file": "a"})
    ManifestWriter(tmp_path, {"seed": 0}).add({"file": "b"})
    assert not (tmp_path / "manifest.sig").exists()
    assert "Removed " in capsys.readouterr().out


def test_what_the_key_has_not_signed_is_not_signed_later(key, tmp_path):
    def sign():
        ManifestWriter(tmp_path, {"seed": 0}, key)

    ManifestWriter(tmp_path, {"seed": 0}).add({"file": "a", "sha256": "of a stranger"})
    with pytest.raises(dvn_tf.UserError, match=r"not signed.*choose another --export_dir"):
        sign()
    another = Ed25519PrivateKey.generate()
    (tmp_path / "manifest.sig").write_bytes(another.sign((tmp_path / "manifest.json").read_bytes()))
    with pytest.raises(dvn_tf.UserError, match="is not a signature over the manifest by this key"):
        sign()


def test_an_interrupt_keeps_manifest_and_signature(key, tmp_path):
    manifest = ManifestWriter(tmp_path, {"seed": 0}, key)
    manifest.add({"file": "a"})
    with pytest.raises(KeyboardInterrupt), manifest.update() as add:
        add({"file": "b"})
        raise KeyboardInterrupt
    assert is_signed(tmp_path, key)
    [entry] = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert entry == {"file": "a"} and manifest.content()["files"] == [entry]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "manifest.sig"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an Ed25519 private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not an Ed25519"),
        ("public", "is not an Ed25519 private key"),
        ("locked", "has a password"),
    ],
)
def test_keys_that_cannot_sign(key, content, message, tmp_path):
    contents = {
        "public": key.public_key().public_bytes(
            PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "locked": pem(key, b"secret"),
    }
    (tmp_path / "key.pem").write_bytes(contents.get(content, content))
    with pytest.raises(dvn_tf.UserError, match=message):
        read_private_key(tmp_path / "key.pem")


@pytest.mark.parametrize("damage", [b"", b"[]", b"[" * 100_000, b'{"files": [{}]}', b"\xff"])
def test_a_damaged_manifest_is_one_line(tmp_path, damage):
    (tmp_path / "manifest.json").write_bytes(damage)
    with pytest.raises(dvn_tf.UserError, match="is damaged"):
        ManifestWriter(tmp_path, {"seed": 0})


def test_the_program_signs(run_dir, key, tmp_path, run_forked):
    (tmp_path / "key.pem").write_bytes(pem(key))
    folder = tmp_path / "export"
    arguments = [f"--run_dir={run_dir}", f"--export_dir={folder}", "--format=litert"]
    done = run_forked("experiments.export", *arguments, f"--sign={tmp_path / 'key.pem'}")
    assert done.returncode == 0, done.stderr
    assert is_signed(folder, key)
    from dvn_runtime import BudgetedPredictor

    with BudgetedPredictor(folder, key=key.public_key().public_bytes_raw()) as predictor:
        assert predictor.plan().refused == {}
    done = run_forked("experiments.export", *arguments, f"--sign={tmp_path}")
    assert done.returncode == 1 and done.stderr.count("error:") == 1
