"""Refuses a `dvn_runtime` of another version, before anything of it is used.

An older copy may come first on Python's path: that of the device distribution, or a folder
`dvn_runtime` in the current one.
"""

import pathlib

import dvn_runtime
from dvn_runtime.errors import UserError
from dvn_tf import __version__


def check_runtime_version() -> None:
    """Compares the version of `dvn_runtime` with this package's.

    Raises:
        UserError: if they differ.
    """
    found = getattr(dvn_runtime, "__version__", "0.4.0 or older")  # which had none
    if found != __version__:
        folder = pathlib.Path(dvn_runtime.__file__).parent
        raise UserError(
            f"dvn_tf {__version__} needs dvn_runtime {__version__}, but Python found "
            f"dvn_runtime {found} in {folder}: take that folder off Python's path, or run "
            "`pip uninstall dvn-tf-runtime` if that distribution has put it there"
        )


check_runtime_version()
