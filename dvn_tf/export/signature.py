"""Signs the manifest of an export; `dvn_runtime.signature` checks the signature."""

import os

from dvn_runtime.files import read_bytes
from dvn_runtime.signature import SIGNATURE_FILE, import_cryptography
from dvn_tf.errors import UserError

__all__ = ["SIGNATURE_FILE", "read_private_key"]

_KEY_LIMIT = 64 * 2**10  # bytes


def read_private_key(path: str | os.PathLike):
    """Reads an Ed25519 private key.

    Args:
        path: a PEM file without a password, as `openssl genpkey -algorithm ed25519` writes it.

    Returns:
        An `Ed25519PrivateKey` of `cryptography`.

    Raises:
        UserError: if the file is not such a key, or if `cryptography` is not installed.
    """
    cryptography = import_cryptography()
    content = read_bytes(path, _KEY_LIMIT)
    try:
        key = cryptography.hazmat.primitives.serialization.load_pem_private_key(content, None)
    except TypeError:
        raise UserError(
            f"the key {path} has a password: `openssl pkey -in {path} -out PLAIN.pem` takes it off"
        ) from None
    except (ValueError, cryptography.exceptions.UnsupportedAlgorithm):
        key = None
    if not isinstance(key, cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey):
        raise UserError(
            f"{path} is not an Ed25519 private key in PEM: "
            "`openssl genpkey -algorithm ed25519 -out KEY.pem` makes one"
        )
    return key
