"""manifest.json: what an export folder holds, so that a device can choose files and check them.

`dvn_runtime.manifest` reads it, and defines the version of its format.
"""

import hashlib
import json
import os
import pathlib

from dvn_runtime.manifest import FORMAT_VERSION, MANIFEST_FILE
from dvn_tf.errors import UserError
from dvn_tf.files import clear_partial, write_json
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training.run_folder import RunFolder


class ManifestWriter:
    """Writes the manifest of an export folder, and keeps the entries of earlier exports.

    Args:
        folder: the export folder.
        about: scenario, method, seed, backbone and tasks of the run.

    Raises:
        UserError: if the folder holds the export of another run, or a damaged manifest.
    """

    def __init__(self, folder: pathlib.Path, about: dict):
        self.folder = folder
        self.path = folder / MANIFEST_FILE
        # Through JSON, to compare with what a file holds.
        self.about = json.loads(json.dumps({"format_version": FORMAT_VERSION, **about}))
        self.files, self.bundles = {}, {}
        if self.path.exists():
            self._read()

    def add(self, entry: dict) -> None:
        """Adds or replaces the entry of one file, and writes the manifest."""
        self.files[entry["file"]] = entry
        self._write()

    def add_bundle(self, entry: dict) -> None:
        """Adds or replaces the entry of one bundle, and writes the manifest."""
        self.bundles[entry["file"]] = entry
        self._write()

    def content(self) -> dict:
        """The manifest as written."""
        content = {**self.about, "files": list(self.files.values())}
        return content | ({"bundles": list(self.bundles.values())} if self.bundles else {})

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

    def _write(self) -> None:
        write_json(self.path, self.content())


def open_manifest(run: RunFolder, network: DeepVirtualNetwork, export_dir=None) -> ManifestWriter:
    """Creates the export folder of a run if needed, and opens its manifest.

    Args:
        run: the run's folder.
        network: its network.
        export_dir: the export folder; None is <run>/export.

    Raises:
        UserError: if the folder cannot be written to, or holds the export of another run.
    """
    folder = pathlib.Path(export_dir) if export_dir else run.path / "export"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the export folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to the export folder {folder}: choose another --export_dir")
    clear_partial(folder)
    results = run.results() or run.stage() or {}
    return ManifestWriter(
        folder,
        {
            "scenario": results.get("scenario", run.path.name),
            "method": results.get("method", "dvn"),
            "seed": results.get("seed", 0),
            "backbone": network.backbone.name,
            "tasks": {
                task.name: {
                    "image_shape": task.image_shape,
                    "mean": task.mean,
                    "std": task.std,
                    "num_classes": task.num_classes,
                    "class_names": task.class_names,
                }
                for task in network.tasks
            },
        },
    )


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
