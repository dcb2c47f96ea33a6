"""Makes the bytes of a SavedModel depend on the network alone.

TensorFlow numbers functions and tensors through the whole process, serializes maps in any order,
and signs each SavedModel with a random number.
"""

import pathlib
import re
from collections.abc import Callable

from google.protobuf.message import Message
from tensorflow.core.protobuf import saved_model_pb2

_NUMBER = re.compile(r"_(\d+)$")


def make_reproducible(folder: pathlib.Path) -> None:
    """Rewrites a SavedModel so that the same network gives the same bytes.

    Args:
        folder: the SavedModel, as `tf.saved_model.save` has just written it.
    """
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        library = graph.graph_def.library
        found = sorted((function.signature.name for function in library.function), key=_number)
        names = {name: f"{_NUMBER.sub('', name)}_{i:04d}" for i, name in enumerate(found, start=1)}
        _rewrite(graph, lambda text, names=names: names.get(text, text))
        library.function.sort(key=lambda function: function.signature.name)
        for function in library.function:
            for argument in function.arg_attr.values():
                if argument.attr["_user_specified_name"].s.isdigit():  # given by TensorFlow
                    del argument.attr["_user_specified_name"]
    path.write_bytes(saved.SerializeToString(deterministic=True))
    # A random number, and hashes of what was there before. TensorFlow does not ask for it.
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def _number(name: str) -> int:
    """The number at the end of a function's name, by which functions are in order of creation."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else 0


def _rewrite(message: Message, change: Callable[[str], str]) -> None:
    """Changes every text in a message, keys of maps included."""
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            _rewrite_map(value, change)
        elif kind is not None:
            for each in [value] if isinstance(value, Message) else value:
                _rewrite(each, change)
        elif field.type == field.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, field.name, change(value))
            else:
                value[:] = map(change, value)


def _rewrite_map(entries, change: Callable[[str], str]) -> None:
    for key in list(entries):
        value = entries[key]
        if isinstance(value, Message):
            _rewrite(value, change)
        elif isinstance(value, str):
            entries[key] = change(value)
        if isinstance(key, str) and change(key) != key:
            if isinstance(value, Message):
                entries[change(key)].CopyFrom(value)
            else:
                entries[change(key)] = entries[key]
            del entries[key]
