"""A `.keras` file whose bytes depend on the network alone."""

import io
import json
import zipfile
from collections.abc import Callable

import keras

# The public function takes paths alone and writes HDF5 to the disk where memory is short; HDF5
# ends the whole process if the disk is full.
from keras.src.saving.saving_lib import save_model

_METADATA, _CONFIG = "metadata.json", "config.json"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the first date that a zip archive can hold


def keras_file(network: keras.Model, change: Callable[[dict], dict] | None = None) -> bytes:
    """The content of a `.keras` file, without the dates that Keras puts into it.

    A run that was interrupted thus ends with the same bytes as one that was not.

    Args:
        network: a network that is not compiled: Keras would store its optimizer, too.
        change: changes the network's configuration before it is stored; None leaves it.
    """
    dated, result = io.BytesIO(), io.BytesIO()
    save_model(network, dated)
    with zipfile.ZipFile(dated) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == _METADATA:
                metadata = json.loads(content)
                metadata.pop("date_saved", None)
                content = json.dumps(metadata).encode()
            if name == _CONFIG and change:
                content = json.dumps(change(json.loads(content))).encode()
            new.writestr(zipfile.ZipInfo(name, _WHEN), content)
    return result.getvalue()
