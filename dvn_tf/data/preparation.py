"""Downloads and prepares a TFDS dataset, or says how its user can provide it."""

import contextlib
import logging
import urllib.parse

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from dvn_tf.data import progress
from dvn_tf.errors import UserError

# Without a network TFDS's 10 retries wait 200 s in all; 4 retries wait 3 s.
_RETRIES = 4


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Prepares a dataset in its data folder, unless it is there already.

    Args:
        builder: TFDS's builder of the dataset.

    Raises:
        UserError: If the dataset cannot be downloaded or prepared. Nothing is then left in its
            folder.
    """
    if is_prepared(builder):
        return
    size = builder.info.download_size
    download = f", a download of {size}" if size else ""
    progress.note(f"Preparing {builder.name} in {builder.data_dir_root}{download}")
    try:
        with _short_retries(), progress.redirected():
            builder.download_and_prepare()
    except UserError:
        raise
    # Each builder raises exceptions of its own: there is no common class.
    except Exception as err:
        raise UserError(
            f"Dataset {builder.name!r} is not in {builder.data_dir_root} and could not be "
            f"prepared ({reason(err)}). {_instructions(builder)}"
        ) from err


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
    """Says whether a dataset is in its data folder; TFDS logs a warning where it is not."""
    return (builder.data_path / "dataset_info.json").exists()


@contextlib.contextmanager
def _short_retries():
    """Makes downloads give up soon without a network, and does not log every retry."""
    connections = logging.getLogger("urllib3.connectionpool")
    level, retries = connections.level, downloader.MAX_RETRIES
    connections.setLevel(logging.ERROR)
    downloader.MAX_RETRIES = _RETRIES
    try:
        yield
    finally:
        connections.setLevel(level)
        downloader.MAX_RETRIES = retries


def reason(err: Exception) -> str:
    """Says in one line what an exception of TFDS is about.

    Args:
        err: The exception.

    Returns:
        Its class and the first line of its message.
    """
    if isinstance(err, requests.exceptions.ConnectionError) and err.request is not None:
        return f"no connection to {urllib.parse.urlsplit(err.request.url).hostname}"
    lines = str(err).strip().splitlines()
    return f"{type(err).__name__}: {lines[0]}" if lines else type(err).__name__


def _instructions(builder: tfds.core.DatasetBuilder) -> str:
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
    return (
        'On a machine with a network run python -c "import tensorflow_datasets as tfds; '
        f"tfds.load('{builder.name}', data_dir='DIR')\", copy DIR here and pass it as --data_dir."
    )
