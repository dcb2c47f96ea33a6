"""manifest.json: what an export folder holds, so that a device can choose files and check them.

`dvn_runtime.manifest` reads it, and defines the version of its format.
"""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from dvn_runtime.files import JSON_LIMIT, parse_json, read_bytes
from dvn_runtime.manifest import FORMAT_VERSION, MANIFEST_FILE
from dvn_runtime.signature import check_signature
from dvn_tf.errors import UserError
from dvn_tf.export.origin import RUN_KEYS, about_run, identity
from dvn_tf.export.signature import SIGNATURE_FILE, read_private_key
from dvn_tf.files import atomic_file, clear_partial, sha256, writing
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training.run_folder import RunFolder

_KINDS = ("files", "bundles", "increments")  # lists of entries, in the manifest's order


class ManifestWriter:
    """Writes the manifest of an export folder, and keeps the entries of earlier exports.

    Args:
        folder: the export folder.
        about: what is said of the run, see `about_run`.
        key: the Ed25519 private key to sign the manifest with; None leaves it unsigned, and
            removes the signature over an earlier one.

    Raises:
        UserError: if the folder holds the export of another run, a damaged manifest or, with a
            key, one that the key has not signed.
    """

    def __init__(self, folder: pathlib.Path, about: dict, key=None):
        self.folder = folder
        self._key = key
        self.path = folder / MANIFEST_FILE
        # Through JSON, to compare with what a file holds.
        self.about = json.loads(json.dumps({"format_version": FORMAT_VERSION, **about}))
        self._entries: dict[str, dict] = {kind: {} for kind in _KINDS}
        if os.path.lexists(self.path):
            self._read()

    @contextlib.contextmanager
    def update(self) -> Iterator[Callable[..., None]]:
        """Yields a function that adds or replaces the entry of a file, of one of `_KINDS`.

        It writes the new manifest beside the old one, which is replaced when the context ends.
        Within it, write the file first, then call the function, and rename the file last: a
        disk that is too full for file and manifest is noticed before either is replaced, and
        no entry names a file that is not there.
        """
        with contextlib.ExitStack() as stack:
            # Left in the opposite order: the manifest is replaced before its signature.
            signature = stack.enter_context(self._signature_file()) if self._key else None
            temporary = stack.enter_context(atomic_file(self.path))

            def add(entry: dict, kind: str = "files") -> None:
                self._entries[kind][entry["file"]] = entry
                content = (json.dumps(self.content(), indent=2) + "\n").encode()
                with writing(self.path, len(content)):
                    temporary.write_bytes(content)
                    if signature:
                        signature.write_bytes(self._key.sign(content))

            before = {kind: dict(entries) for kind, entries in self._entries.items()}
            try:
                yield add
            except BaseException:
                self._entries = before
                raise
        if not self._key:
            self._remove_signature()

    def add(self, entry: dict) -> None:
        """Adds or replaces the entry of a file that is there, and writes the manifest."""
        with self.update() as add:
            add(entry)

    @property
    def origin(self) -> dict:
        """The run that the files come from, see `network_metadata`."""
        return {key: self.about[key] for key in RUN_KEYS}

    def content(self) -> dict:
        """The manifest as written."""
        lists = {kind: list(entries.values()) for kind, entries in self._entries.items()}
        # Of the other kinds, only those that there are: older programs do not know them.
        return self.about | {k: v for k, v in lists.items() if v or k == "files"}

    def _read(self) -> None:
        text = read_bytes(self.path, JSON_LIMIT)
        if self._key:
            self._check_signature(text)
        try:
            content = parse_json(text, self.path)
            lists = {kind: content.pop(kind, []) for kind in _KINDS[1:]}
            lists["files"] = content.pop("files")
            found_entries = {
                kind: {entry["file"]: entry for entry in lists[kind]} for kind in _KINDS
            }
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.path} is damaged: delete it and export all formats again"
            ) from error
        found, own = identity(content), identity(self.about)
        if different := [key for key in own if found.get(key) != own[key]]:
            raise UserError(
                f"{self.folder} holds the export of another run (another "
                f"{' and '.join(different)}): choose another --export_dir"
            )
        self._entries = found_entries

    def _check_signature(self, text: bytes) -> None:
        public = self._key.public_key().public_bytes_raw()
        try:
            check_signature(text, self.folder, public)
        except UserError as error:
            raise UserError(
                f"--sign vouches for every file in {self.folder}, but the key has not signed what "
                f"is there ({error}): choose another --export_dir, or delete that folder"
            ) from None

    def _signature_file(self):
        return atomic_file(self.folder / SIGNATURE_FILE, 64)

    def _remove_signature(self) -> None:
        """Removes the signature over an earlier manifest, which does not fit any more."""
        path = self.folder / SIGNATURE_FILE
        if os.path.lexists(path):
            path.unlink()
            print(f"Removed {path}: it does not fit the new manifest, which is not signed.")


def open_manifest(
    run: RunFolder,
    network: DeepVirtualNetwork,
    export_dir=None,
    sign=None,
    imports: Sequence[str] = (),
) -> ManifestWriter:
    """Creates the export folder of a run if needed, and opens its manifest.

    Args:
        run: the run's folder.
        network: its network.
        export_dir: the export folder; None is <run>/export.
        sign: the file of the private key to sign the manifest with, see `read_private_key`.
        imports: Python modules that the run's settings may import.

    Raises:
        UserError: if the folder cannot be written to, holds the export of another run, or one
            that the key has not signed, or if the key cannot be used.
    """
    key = None if sign is None else read_private_key(sign)
    folder = pathlib.Path(export_dir) if export_dir else run.path / "export"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot make the export folder {folder}: {reason}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to the export folder {folder}: choose another --export_dir")
    clear_partial(folder)
    return ManifestWriter(folder, about_run(run, network, imports), key)


def file_facts(path: pathlib.Path) -> dict:
    """The size in bytes and the SHA-256 of a file, or of all files in a folder together.

    Returns:
        {"bytes", "sha256"}, and for a folder also {"files_sha256": {relative path: hash}};
        a folder's "sha256" is that of the lines "<hash>  <relative path>", sorted by path.
    """
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": sha256(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    hashes = {file.relative_to(path).as_posix(): sha256(file) for file in files}
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return {
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "files_sha256": dict(sorted(hashes.items())),
    }
