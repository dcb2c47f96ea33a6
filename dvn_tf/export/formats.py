"""The formats by name; `runners.RUNNERS` has the runtimes under the same names.

A format offers `suffix`, `check()` (raises a `UserError` where something needed is missing),
`input_dtype(slim)` and `write(slim, path, samples)`.
"""

from dvn_tf.errors import UserError
from dvn_tf.export.litert_formats import LiteRTFormat
from dvn_tf.export.onnx_format import OnnxFormat
from dvn_tf.export.tensorflow_formats import KerasFormat, SavedModelFormat

FORMATS = {
    "keras": KerasFormat(),
    "tf_saved_model": SavedModelFormat(),
    "litert": LiteRTFormat(),
    "litert_int8": LiteRTFormat(int8=True),
    "onnx": OnnxFormat(),
}


def checked_formats(names) -> list[str]:
    """The names of formats, each once, after all of them were found usable.

    Raises:
        UserError: for an unknown format, or one that needs a package which is missing.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"there is no format {name!r}: use some of {', '.join(FORMATS)}")
        FORMATS[name].check()
    if not names:
        raise UserError(f"no format: use some of {', '.join(FORMATS)}")
    return names
