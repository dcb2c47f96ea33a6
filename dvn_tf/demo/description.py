"""What the page is told of an export."""

import os

from dvn_runtime.chooser import usable_networks
from dvn_runtime.files import read_json
from dvn_runtime.manifest import (
    MANIFEST_FILE,
    SUPPORTED_FORMATS,
    ExportedNetwork,
    Manifest,
    read_manifest,
)
from dvn_tf.errors import UserError

_FORMATS = {"litert": "LiteRT, float32", "litert_int8": "LiteRT, int8"}


def read_export(export_dir: str | os.PathLike) -> tuple[Manifest, dict]:
    """Reads an export folder.

    Args:
        export_dir: the folder that holds `manifest.json`.

    Returns:
        The manifest, and what the page is told: {"title", "about", "formats", "tasks",
        "networks"}.

    Raises:
        UserError: if it is no export, or has no networks that the page can show.
    """
    manifest = read_manifest(export_dir)
    formats = [f for f in SUPPORTED_FORMATS if any(n.format == f for n in manifest.networks)]
    if not formats:
        raise UserError(
            f"{manifest.folder} holds no LiteRT networks, which the page shows: export with "
            "--format=litert or --format=litert_int8"
        )
    networks = {format: usable_networks(manifest, format, None) for format in formats}
    served = {network.task for network in manifest.networks}
    title, about = _headings(manifest)
    return manifest, {
        "title": title,
        "about": about,
        "formats": [{"name": format, "text": _FORMATS[format]} for format in formats],
        "tasks": [
            {
                "name": task.name,
                "shape": task.image_shape,
                "cropFrom": task.crop_from,
                "classes": task.class_names or [f"class {i}" for i in range(task.num_classes)],
            }
            for task in manifest.tasks.values()
            if task.name in served
        ],
        # In the manifest's order, by which the planner decides between equally good choices.
        "networks": {format: _described(manifest, own) for format, own in networks.items()},
    }


def uses_digits(manifest: Manifest) -> bool:
    """Whether an export was trained on the digits that come with scikit-learn."""
    training = read_json(manifest.folder / MANIFEST_FILE).get("training")
    tasks = training.get("tasks") if isinstance(training, dict) else None
    entries = tasks.values() if isinstance(tasks, dict) else ()
    return any(isinstance(entry, dict) and entry.get("dataset") == "digits" for entry in entries)


def network_url(manifest: Manifest, network: ExportedNetwork) -> str:
    """The path under which a network is served; names of files may hold any character."""
    return f"/networks/{manifest.networks.index(network)}.tflite"


def _described(manifest: Manifest, networks: list[ExportedNetwork]) -> list[dict]:
    keys = ("task", "level", "bytes", "parameters", "accuracy", "sha256", "file", "dtype", "output")
    return [
        {key: getattr(network, key) for key in keys} | {"url": network_url(manifest, network)}
        for network in networks
    ]


def _headings(manifest: Manifest) -> tuple[str, str]:
    """The page's title, and a line of what was trained."""
    content = read_json(manifest.folder / MANIFEST_FILE)
    training = content.get("training")
    method = training.get("title") if isinstance(training, dict) else content.get("method")
    scenario = content.get("scenario")
    title = scenario if isinstance(scenario, str) else manifest.folder.resolve().name
    known = [text for text in (scenario, method, content.get("backbone")) if isinstance(text, str)]
    return title, " · ".join(known)
