"""The packages that only some formats need."""

import importlib

from dvn_tf.errors import UserError


def optional_package(module: str):
    """Imports a module of the extra "export".

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"{module.split('.')[0]} is not installed, which this format needs: pip install -e "
            '".[export]"'
        ) from error
