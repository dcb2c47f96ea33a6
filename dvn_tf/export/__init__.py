"""From a trained network to files that need nothing of this package.

exporter.py          a run folder in, an export folder out
selection.py         which virtual networks of a run are exported
slim.py              one virtual network alone, batch normalization folded
bundle.py            several virtual networks in one SavedModel, weights stored once
increments.py        causal levels in parts: level 1, and what each further level adds
increment_*.py       their files, and a run folder's
formats.py           what a format is, and the register of all formats
*_format.py          one module for each format: how files are written and run
saved_model.py       SavedModels, from which other formats are converted
reproducible.py      the same bytes for the same SavedModel
litert_*.py          what other programs want of a LiteRT file: metadata, a fixed batch
onnx_names.py        names and properties of an ONNX file
keras_config.py      configurations that earlier versions of Keras understand
metadata.py          what each file says of itself
manifest.py          manifest.json, the table of contents of an export folder
origin.py            what the manifest says of the run
card.py              README.md, the model card, made from the manifest
accuracy.py          the accuracy of an exported file on the test split
"""

from dvn_tf.export.exporter import export_bundle, export_run
from dvn_tf.export.formats import FORMATS, Format, register_format
from dvn_tf.export.increment_exporter import export_increments
from dvn_tf.export.slim import SlimNetwork, slim_network

__all__ = [
    "FORMATS",
    "Format",
    "SlimNetwork",
    "export_bundle",
    "export_increments",
    "export_run",
    "register_format",
    "slim_network",
]
