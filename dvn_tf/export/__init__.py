"""From a trained network to files that need nothing of this package.

slim.py       one virtual network alone, batch normalization folded
bundle.py     several virtual networks in one SavedModel, weights stored once
formats.py    the formats, and how each is written
runners.py    how each is run, by its own runtime
manifest.py   manifest.json, which says what lies in an export folder
opening.py    what an export starts from
exporting.py  a run folder in, an export folder out
"""

import importlib

# Imported when first asked for: `runners` runs LiteRT files where TensorFlow is not loaded.
_HOMES = {
    "SlimNetwork": "slim",
    "export_bundle": "exporting",
    "export_run": "exporting",
    "slim_network": "slim",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
