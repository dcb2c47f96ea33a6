"""manifest.json: what lies in an export folder, so that a device can choose and check.

Its form is a contract with `dvn_runtime`, which reads it.
"""

import hashlib
import json
import pathlib

from dvn_tf.errors import UserError
from dvn_tf.files import write_json

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


class Manifest:
    """The manifest of one export folder, with the entries of earlier exports kept.

    Args:
        folder: the export folder.
        about: scenario, method, seed, backbone and tasks of the run.

    Raises:
        UserError: if the folder holds the export of another run, or a damaged manifest.
    """

    def __init__(self, folder: pathlib.Path, about: dict):
        self.folder = folder
        self.path = folder / MANIFEST
        # Through JSON, so that it compares equal with what a file holds.
        self.about = json.loads(json.dumps({"format_version": FORMAT_VERSION, **about}))
        self.files, self.bundles = {}, {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            files = {entry["file"]: entry for entry in content.pop("files")}
            bundles = {entry["file"]: entry for entry in content.pop("bundles", [])}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.path} is damaged: delete it and export all formats again"
            ) from error
        if content != self.about:
            different = [key for key in self.about if content.get(key) != self.about[key]]
            raise UserError(
                f"{self.folder} holds the export of another run (another "
                f"{' and '.join(different) or 'form'}): choose another --export_dir"
            )
        self.files, self.bundles = files, bundles

    def add(self, entry: dict) -> None:
        """Adds or replaces the entry of one file, and writes the manifest."""
        self.files[entry["file"]] = entry
        self._write()

    def add_bundle(self, entry: dict) -> None:
        """Adds or replaces the entry of one bundle, and writes the manifest."""
        self.bundles[entry["file"]] = entry
        self._write()

    def _write(self) -> None:
        write_json(self.path, self.content())

    def content(self) -> dict:
        """The manifest as written."""
        content = {**self.about, "files": list(self.files.values())}
        return content | ({"bundles": list(self.bundles.values())} if self.bundles else {})


def file_facts(path: pathlib.Path) -> dict:
    """The size in bytes and the SHA-256 of a file, or of all files in a folder together.

    Returns:
        {"bytes", "sha256"}, and for a folder also {"files_sha256": {relative path: hash}};
        a folder's "sha256" is that of the lines "<hash>  <relative path>", sorted by path.
    """
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    hashes = {file.relative_to(path).as_posix(): _sha256(file) for file in files}
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return {
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "files_sha256": dict(sorted(hashes.items())),
    }


def _sha256(file: pathlib.Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
