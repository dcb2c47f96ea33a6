"""Checks who wrote an export: an Ed25519 signature over the bytes of its manifest.

The manifest holds the hash of every file, so that a signature over it vouches for the files too.
`openssl pkeyutl -verify -rawin` checks the same signature.
"""

import os
import pathlib

from dvn_runtime.errors import UserError, was_interrupted
from dvn_runtime.files import read_bytes

SIGNATURE_FILE = "manifest.sig"
_SIGNATURE_BYTES = 64
_KEY_LIMIT = 64 * 2**10  # bytes of a key's file

Key = str | os.PathLike | bytes


def check_signature(content: bytes, folder: pathlib.Path, key: Key) -> None:
    """Checks the signature of a manifest.

    Args:
        content: the manifest as it was read.
        folder: the export folder, which holds the signature.
        key: the public key, see `read_public_key`.

    Raises:
        UserError: if the key cannot be used, or if there is no signature by it over the manifest.
    """
    public = read_public_key(key)
    path = folder / SIGNATURE_FILE
    if not os.path.lexists(path):
        raise UserError(
            f"{folder} is not signed: sign it with experiments.export --sign, or give no key if "
            "you trust whoever wrote it"
        )
    signature = read_bytes(path, _SIGNATURE_BYTES)
    try:
        public.verify(signature, content)
    except import_cryptography().exceptions.InvalidSignature:
        raise UserError(
            f"{path} is not a signature over the manifest by this key: the manifest was changed, "
            "or signed by somebody else"
        ) from None


def read_public_key(key: Key):
    """Reads an Ed25519 public key.

    Args:
        key: a file with the key, or its content: PEM, as `openssl pkey -pubout` writes it, or 32
            raw bytes.

    Returns:
        An `Ed25519PublicKey` of `cryptography`.

    Raises:
        UserError: if it is not such a key, or if `cryptography` is not installed.
    """
    cryptography = import_cryptography()
    keys = cryptography.hazmat.primitives.asymmetric.ed25519
    content = key if isinstance(key, bytes) else read_bytes(key, _KEY_LIMIT)
    name = "the key" if isinstance(key, bytes) else os.fsdecode(key)
    if b"PRIVATE KEY" in content:
        raise UserError(
            f"{name} is a private key: give the public one, which "
            "`openssl pkey -in PRIVATE.pem -pubout` prints"
        )
    try:
        if len(content) == 32:
            return keys.Ed25519PublicKey.from_public_bytes(content)
        public = cryptography.hazmat.primitives.serialization.load_pem_public_key(content)
    except (ValueError, TypeError, cryptography.exceptions.UnsupportedAlgorithm):
        public = None
    if not isinstance(public, keys.Ed25519PublicKey):
        raise UserError(f"{name} is not an Ed25519 public key in PEM or of 32 bytes")
    return public


def import_cryptography():
    """The package `cryptography` with the modules used here, imported on first use.

    Raises:
        UserError: if it is not installed.
    """
    try:
        import cryptography.exceptions
        import cryptography.hazmat.primitives.asymmetric.ed25519
        import cryptography.hazmat.primitives.serialization
    except ImportError as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        raise UserError(
            "cryptography, which signs exports and checks signatures, is not installed: "
            "pip install cryptography"
        ) from error
    return cryptography
