"""A `.keras` file whose bytes depend on the network alone."""

import io
import json
import zipfile

import keras

# The public function takes paths alone and writes HDF5 to the disk where memory is short; HDF5
# ends the whole process if the disk is full.
from keras.src.saving.saving_lib import save_model

_METADATA = "metadata.json"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the first date that a zip archive can hold


def keras_file(network: keras.Model) -> bytes:
    """The content of a `.keras` file, without the dates that Keras puts into it.

    A run that was interrupted thus ends with the same bytes as one that was not.

    Args:
        network: a network that is not compiled: Keras would store its optimizer, too.
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
            new.writestr(zipfile.ZipInfo(name, _WHEN), content)
    return result.getvalue()
