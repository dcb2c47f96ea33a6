"""Finds the builders of TFDS, without running what a dataset's folder names."""

import contextlib
import difflib
import os
import sys
from collections.abc import Iterator

import tensorflow_datasets as tfds

from dvn_tf.data import preparation, tiny_imagenet
from dvn_tf.errors import UserError


def find_builder(name: str, data_dir: str | os.PathLike | None) -> tfds.core.DatasetBuilder:
    """Finds a dataset of TFDS, the project's own Tiny-ImageNet among them.

    Args:
        name: TFDS's name.
        data_dir: TFDS's data folder. None is TFDS's own default.

    Returns:
        Its builder. The dataset need not be prepared.

    Raises:
        UserError: If there is no such dataset, or the files that describe it are damaged.
    """
    try:
        with _without_imports():
            builder = tfds.builder(name, data_dir=data_dir)
            if isinstance(builder, tiny_imagenet.TinyImagenet):
                builder = tiny_imagenet.builder_at_hand(builder)
        return builder
    except tfds.core.DatasetNotFoundError as err:
        # Those of the community are not used here, and TFDS would ask the network for their names.
        names = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, names, n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise UserError(
            f"There is no dataset {name!r}: give 'digits', 'folder:PATH', a name of TFDS, or the "
            f"name of a source that you registered.{hint}"
        ) from err
    except UserError:
        raise
    # Malformed names, versions and files: TFDS raises no common class for them.
    except Exception as err:
        raise UserError(
            f"Dataset {name!r} cannot be used ({preparation.reason(err)}): "
            "check its name, or restore its folder in the data folder if that is damaged."
        ) from err


@contextlib.contextmanager
def _without_imports() -> Iterator[None]:
    """Keeps TFDS from importing the modules that a prepared dataset's features.json names.

    Such a module could lie beside the dataset in the current folder. TFDS's own are allowed, and
    those that are imported already.
    """
    original = tfds.features.FeatureConnector.__dict__["cls_from_name"]

    def cls_from_name(cls, name: str):
        module = name.rpartition(".")[0]
        if not module.startswith("tensorflow_datasets.") and module not in sys.modules:
            raise UserError(f"its features.json names {name}, a class outside of TFDS")
        return original.__func__(cls, name)

    tfds.features.FeatureConnector.cls_from_name = classmethod(cls_from_name)
    try:
        yield
    finally:
        tfds.features.FeatureConnector.cls_from_name = original
