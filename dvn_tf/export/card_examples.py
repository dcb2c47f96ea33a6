"""How to run an exported file, in five lines for each format, as the model card shows it."""

import json
from collections.abc import Mapping

_KERAS = """
import keras, numpy as np
model = keras.models.load_model({file})
images = np.zeros({batch}, {dtype})
{output} = model.predict(images)
"""
_SAVED_MODEL = """
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load({file})
images = tf.constant(np.zeros({batch}, {dtype}))
{output} = loaded.signatures[{signature}](images=images)[{key}].numpy()
"""
_LITERT = """
import numpy as np
from ai_edge_litert.interpreter import Interpreter
run = Interpreter({file}).get_signature_runner("serving_default")
images = np.zeros({batch}, {dtype})
{output} = run(images=images)[{key}]
"""
_ONNX = """
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({file}, providers=["CPUExecutionProvider"])
images = np.zeros({batch}, {dtype})
[{output}] = session.run(None, {{"images": images}})
"""
_EXAMPLES = {
    "keras": ("Keras 3, on any backend", _KERAS),
    "tf_saved_model": ("TensorFlow", _SAVED_MODEL),
    "litert": ("LiteRT (TensorFlow Lite)", _LITERT),
    "litert_int8": ("LiteRT, in 8 bits", _LITERT),
    "onnx": ("ONNX Runtime", _ONNX),
}


def example(entry: Mapping, tasks: Mapping) -> str:
    """How to run a file or a bundle.

    Args:
        entry: its entry in the manifest.
        tasks: the manifest's tasks.

    Returns:
        Markdown: a line that names the runtime, and Python that runs in the export folder; empty
        for formats that are not built in.
    """
    if entry["format"] not in _EXAMPLES:
        return ""
    title, code = _EXAMPLES[entry["format"]]
    signature = "serving_default"
    described = entry
    if "signatures" in entry:
        described = entry["signatures"][0]
        title, signature = f"{title}, a bundle", described["signature"]
    filled = code.format(
        file=json.dumps(entry["file"]),
        batch=(1, *tasks[described["task"]]["image_shape"]),
        dtype=json.dumps(described["input"]["dtype"]),
        output=described["output"],
        key=json.dumps(described["output"]),
        signature=json.dumps(signature),
    )
    return f"{title}:\n\n```python{filled}```"
